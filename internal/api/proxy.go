package api

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// maxForwarded is how many addresses of a request's way are looked at.
const maxForwarded = 32

// behindProxies returns next, which sees the address of the person, and not of the proxy, for requests that come
// from a proxy in one of the trusted networks. Who is not trusted has no say in where a request comes from: the
// headers about that are taken away.
//
// A request of which a proxy says that it came over plain HTTP is sent on to HTTPS, if it reads a page.
func behindProxies(next http.Handler, trusted []netip.Prefix) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer := addressIn(r.RemoteAddr)
		if within(trusted, peer) {
			plain := plainBefore(r.Header)
			if from := origin(r.Header, peer, trusted); from != peer {
				r.RemoteAddr = net.JoinHostPort(from.String(), "0")
			}
			if plain && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
				to := url.URL{Scheme: "https", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
				http.Redirect(w, r, to.String(), http.StatusPermanentRedirect)
				return
			}
		}
		for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto"} {
			r.Header.Del(name)
		}
		next.ServeHTTP(w, r)
	})
}

// origin returns where a request came from that peer, a trusted proxy, passed on: the last address on
// its way that is no trusted proxy. Everything before that one can be invented. Where the headers
// contradict each other neither is believed: one of them may be the person's own, which the proxy let through.
func origin(h http.Header, peer netip.Addr, trusted []netip.Prefix) netip.Addr {
	var ways [][]netip.Addr
	if list := h.Values("X-Forwarded-For"); len(list) > 0 {
		ways = append(ways, forwardedFor(list))
	}
	if list := h.Values("Forwarded"); len(list) > 0 {
		ways = append(ways, forwarded(list))
	}
	from := peer
	for i, way := range ways {
		at := peer
		for _, a := range slices.Backward(way) {
			if !a.IsValid() {
				break // unknown, or nonsense: what is before it is worth nothing
			}
			if at = a; !within(trusted, a) {
				break
			}
		}
		if i > 0 && at != from {
			return peer
		}
		from = at
	}
	return from
}

// forwardedFor reads X-Forwarded-For: addresses with commas, with or without a port. What is no address is the
// zero value.
func forwardedFor(list []string) []netip.Addr {
	var way []netip.Addr
	for part := range strings.SplitSeq(strings.Join(list, ","), ",") {
		way = append(way, addressIn(strings.TrimSpace(part)))
	}
	return way[max(len(way)-maxForwarded, 0):]
}

// forwarded reads the for= of Forwarded (RFC 7239, section 4). An element without one is the zero value.
func forwarded(list []string) []netip.Addr {
	var way []netip.Addr
	for _, element := range splitQuoted(strings.Join(list, ","), ',') {
		var at netip.Addr
		for _, pair := range splitQuoted(element, ';') {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if strings.EqualFold(name, "for") {
				at = addressIn(strings.Trim(value, `"`))
			}
		}
		way = append(way, at)
	}
	return way[max(len(way)-maxForwarded, 0):]
}

// plainBefore says whether the nearest proxy was asked over plain HTTP.
func plainBefore(h http.Header) bool {
	protos := strings.Split(strings.Join(h.Values("X-Forwarded-Proto"), ","), ",")
	if last := strings.TrimSpace(protos[len(protos)-1]); last != "" {
		return strings.EqualFold(last, "http")
	}
	elements := splitQuoted(strings.Join(h.Values("Forwarded"), ","), ',')
	for _, pair := range splitQuoted(elements[len(elements)-1], ';') {
		if name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); strings.EqualFold(name, "proto") {
			return strings.EqualFold(strings.Trim(value, `"`), "http")
		}
	}
	return false
}

// splitQuoted splits at a sign that is outside of quotation marks; there is always one part at least.
func splitQuoted(s string, at byte) []string {
	var parts []string
	begin, quoted := 0, false
	for i := range len(s) {
		switch {
		case quoted && s[i] == '\\':
			// What it protects is no part of an address, so that nothing need be skipped.
		case s[i] == '"':
			quoted = !quoted
		case s[i] == at && !quoted:
			parts = append(parts, s[begin:i])
			begin = i + 1
		}
	}
	return append(parts, s[begin:])
}

// addressIn returns the IP address in HOST, HOST:PORT, [HOST] or [HOST]:PORT, the zero value if there is none.
func addressIn(s string) netip.Addr {
	if p, err := netip.ParseAddrPort(s); err == nil {
		return p.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

func within(networks []netip.Prefix, a netip.Addr) bool {
	return a.IsValid() && slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}
