package source

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// guard keeps requests, whose addresses come from people, out of the own network. It looks at the addresses that names
// resolved to, when the connection is made: what a name resolved to before says nothing.
type guard struct {
	all     bool
	allowed []netip.Prefix

	own ownAddresses
}

// control is net.Dialer.ControlContext.
func (g *guard) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return Errorf(ReasonForbidden, "%s %s is no address to connect to", network, address)
	}
	return g.check(ap.Addr())
}

// check says whether an address may be connected to.
func (g *guard) check(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	if g.all || slices.ContainsFunc(g.allowed, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return nil
	}
	if !public(addr) {
		return Errorf(ReasonForbidden, "the address leads into a private network (%s), which is not allowed here", addr)
	}
	if g.own.contains(addr) {
		return Errorf(ReasonForbidden, "the address leads back to this machine (%s), which is not allowed here", addr)
	}
	return nil
}

// nat64 is where IPv6 addresses stand for IPv4 ones (RFC 6052); the prefix for local use, 64:ff9b:1::/48, is not public.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// notPublic are the networks of IANA's special-purpose registries (RFC 6890) that netip has no method for. Of IPv6 only
// 2000::/3 is in use, so that the rest needs no line.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // between providers and customers (CGNAT)
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"), // relays of 6to4
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("2001::/23"), // protocols, among them Teredo, which embeds IPv4 addresses
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4 embeds IPv4 addresses
	netip.MustParsePrefix("3fff::/20"),
}

var inUse6 = netip.MustParsePrefix("2000::/3")

// public says whether an address is one of the public Internet.
func public(addr netip.Addr) bool {
	addr = addr.Unmap()
	if nat64.Contains(addr) {
		b := addr.As16()
		return public(netip.AddrFrom4([4]byte(b[12:])))
	}
	if !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.Is6() && !inUse6.Contains(addr) {
		return false
	}
	return !slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// ownAddresses are those of this machine, looked up once a minute: a server with a public address must not be reached
// through it either.
type ownAddresses struct {
	mu   sync.Mutex // guards what follows
	read time.Time
	list []netip.Addr
}

func (o *ownAddresses) contains(addr netip.Addr) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.read.IsZero() || time.Since(o.read) > time.Minute {
		o.list = o.list[:0]
		interfaces, err := net.InterfaceAddrs()
		if err != nil {
			return false // a system that does not tell; loopback and private addresses were refused already
		}
		for _, one := range interfaces {
			if p, err := netip.ParsePrefix(one.String()); err == nil {
				o.list = append(o.list, p.Addr().Unmap().WithZone(""))
			}
		}
		o.read = time.Now()
	}
	return slices.Contains(o.list, addr)
}

// otherServices are ports from 1024 on that speak something else than HTTP and whose servers may act on what they can make
// of a request (the list of the Fetch standard, "port blocking").
var otherServices = []int{
	1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211,
}

// checkPort says whether an instance may be on a port.
func (g *guard) checkPort(port string) error {
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 {
		return Errorf(ReasonAddress, "%q is no port", port)
	}
	if g.all || n == 80 || n == 443 || n >= 1024 && !slices.Contains(otherServices, n) {
		return nil
	}
	return Errorf(ReasonForbidden, "port %d is not one of web pages", n)
}
