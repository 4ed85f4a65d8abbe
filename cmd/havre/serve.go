package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	_ "time/tzdata" // people read times in the zone of their browser

	"golang.org/x/sync/errgroup"

	"github.com/havre-cloud/havre/internal/api"
	"github.com/havre-cloud/havre/internal/api/certs"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/internal/web"
)

// Settings that this command keeps for those that make invitations.
const (
	settingAddress   store.Setting = "server.address"   // how clients reach it, if somebody said so
	settingListening store.Setting = "server.listening" // the address of the last start
)

// serveReady is what the line begins with that says that the server answers; its address follows.
const serveReady = "ready: "

type serveCmd struct {
	dataFlag
	Listen  string `default:":7443" placeholder:"ADDR" help:"Where to listen: HOST:PORT or :PORT (default: ${default})."`
	Address string `placeholder:"HOST:PORT" help:"How clients reach the server; it goes into invitations, and is remembered."`
	Name    string `help:"What the server is called on people's machines; it is remembered."`
	Admin   string `default:"admin" placeholder:"NAME" help:"The first administrator's name, for the first start (default: ${default})."`
	Contact string `placeholder:"MAIL|URL" help:"Where administrators of pad and poll instances reach you: it goes with each request of backups, and is remembered."`
	// AllowPrivate is nil where nothing is said.
	AllowPrivate *bool `negatable:"" help:"Let backups reach addresses of this machine and of private networks; it is remembered."`
	// TrustedProxy are networks in CIDR notation, or addresses.
	TrustedProxy []string `placeholder:"CIDR" help:"Networks of reverse proxies that are believed about where a request came from, as in 10.0.0.0/8; may be repeated."`
	WithParent   bool     `hidden:"" help:"End when standard input does."`
}

// Help is the text below the usage.
func (serveCmd) Help() string {
	return `The first start makes the data, a certificate and the first administrator, and prints an invitation
with which the administrator's own machine joins. Ctrl-C ends the server cleanly. A line that begins
with "ready: " says that it answers, and where.

Examples:

    havre serve --data /srv/havre --address files.example.org:7443
    havre serve --data /tmp/try --listen 127.0.0.1:7443

` + exitCodes
}

// Run executes the command.
func (c *serveCmd) Run(ctx context.Context, con *console) error {
	if c.WithParent {
		ctx = untilClosed(ctx, con.in)
	}
	if err := checkData(c.Data); err != nil {
		return err
	}
	h, err := hub.Open(ctx, c.Data, hub.Options{
		Logger: con.log, ServerName: c.Name, Version: programVersion(), Sources: source.NewRegistry(providers()...),
	})
	if err != nil {
		return err
	}
	return errors.Join(c.serve(ctx, con, h), h.Close())
}

func (c *serveCmd) serve(ctx context.Context, con *console, h *hub.Hub) error {
	proxies, err := parseNetworks(c.TrustedProxy)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --listen", err)
	}
	defer listener.Close()
	listening := listenAddress(listener)
	certificate, err := certs.Load(filepath.Join(c.Data, "tls"), hostsOf(c.Address, listening)...)
	if err != nil {
		return err
	}
	if err := c.introduce(ctx, con, certificate, listening); err != nil {
		return err
	}
	fmt.Fprintf(con.out, "%shttps://%s\n", serveReady, listening)

	meter := api.NewMeter()
	pages, err := web.New(h, web.Options{
		Logger: con.log, Version: programVersion(), Stopping: api.Stopping,
		Address: reached(h, listening), Fingerprint: certs.Fingerprint(certificate.Leaf),
		CertificateEnd: certificate.Leaf.NotAfter, Traffic: meter.LastHour,
	})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.Run(ctx) })
	g.Go(func() error { return h.RunSources(ctx) })
	g.Go(func() error { return keepSmall(ctx) })
	g.Go(func() error {
		return api.Serve(ctx, meter.Listener(listener), certificate, api.NewHandler(h, api.Options{Logger: con.log, Pages: pages, Sources: h, Proxies: proxies}), con.log)
	})
	return g.Wait()
}

// parseNetworks reads networks and single addresses.
func parseNetworks(list []string) ([]netip.Prefix, error) {
	networks := make([]netip.Prefix, 0, len(list))
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(s); err == nil {
				p, err = a.Unmap().Prefix(a.Unmap().BitLen())
			}
		}
		if err != nil {
			return nil, &havre.Error{Code: havre.CodeInvalid, Text: fmt.Sprintf("--trusted-proxy %s: not a network, as in 10.0.0.0/8, nor an address", shown(s))}
		}
		networks = append(networks, p.Masked())
	}
	return networks, nil
}

// reached returns what tells the pages where clients find the server: the remembered address, which a
// person may change meanwhile.
func reached(h *hub.Hub, listening string) func(context.Context) string {
	return func(ctx context.Context) string {
		if at, err := h.Admin(store.Console).Setting(ctx, settingAddress); err == nil && at != "" {
			return at
		}
		return listening
	}
}

// introduce remembers the address and tells the operator what there is and what comes next.
func (c *serveCmd) introduce(ctx context.Context, con *console, certificate tls.Certificate, listening string) error {
	a, err := openAdmin(ctx, c.Data)
	if err != nil {
		return err
	}
	defer a.Close()
	if err := a.SetSetting(ctx, settingListening, listening); err != nil {
		return err
	}
	if c.Address != "" {
		if _, _, err := net.SplitHostPort(c.Address); err != nil {
			return &havre.Error{Code: havre.CodeInvalid, Text: fmt.Sprintf("--address %s: not HOST:PORT, as in files.example.org:7443", shown(c.Address))}
		}
		if err := a.SetSetting(ctx, settingAddress, c.Address); err != nil {
			return err
		}
	}
	if err := c.rememberSources(ctx, a); err != nil {
		return err
	}
	first, err := a.Bootstrap(ctx, c.Admin)
	if err != nil {
		return err
	}
	if first != nil {
		return c.firstStart(ctx, con, a, first, certs.Fingerprint(certificate.Leaf))
	}
	return c.laterStart(ctx, con, a)
}

// rememberSources keeps what the command line says about backups of online documents.
func (c *serveCmd) rememberSources(ctx context.Context, a *admin) error {
	if c.Contact == "" && c.AllowPrivate == nil {
		return nil
	}
	s, err := a.SourceSettings(ctx)
	if err != nil {
		return err
	}
	if c.Contact != "" {
		s.Contact = c.Contact
	}
	if c.AllowPrivate != nil {
		s.PrivateNetwork = *c.AllowPrivate
	}
	return a.SetSourceSettings(ctx, s)
}

func (c *serveCmd) firstStart(ctx context.Context, con *console, a *admin, first *hub.FirstStart, fingerprint string) error {
	i, err := a.invitation(ctx, first.Invitation.Secret)
	if err != nil {
		return err
	}
	fmt.Fprint(con.out, "havre "+programVersion()+": first start\n\n"+table([][]string{
		{"Data", shown(c.Data)},
		{"Address", "https://" + i.Address},
		{"Fingerprint", fingerprint},
		{"Administrator", shown(first.Admin.Name)},
		{"Setup code", first.SetupCode + " (once; keep it to yourself)"},
		{"Set-up page", "https://" + i.Address + "/setup?code=" + first.SetupCode},
	}))
	data := quoteArg(c.Data)
	fmt.Fprintf(con.out, `
Next, in another terminal here, a folder:

    havre folder add --data %s Team

On your own machine (the invitation is good for one device, until %s):

    havre join '%s'
    havre add Team ~/Team
    havre run

For others: havre user add --data %s NAME

`, data, first.Invitation.Expires.Local().Format("2006-01-02 15:04"), i, data)
	return nil
}

func (c *serveCmd) laterStart(ctx context.Context, con *console, a *admin) error {
	users, err := a.Users(ctx)
	if err != nil {
		return err
	}
	devices, err := a.Devices(ctx, "")
	if err != nil {
		return err
	}
	folders, err := a.Folders(ctx)
	if err != nil {
		return err
	}
	address, err := a.address(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(con.out, "havre %s: %s, %s, %s; invitations say https://%s\n", programVersion(),
		counted(int64(len(users)), "user"), counted(int64(len(devices)), "device"), counted(int64(len(folders)), "folder"), address)
	return nil
}

// listenAddress returns where the listener is, as others may write it: a server that listens on
// all addresses is called by its machine's name.
func listenAddress(l net.Listener) string {
	at, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return l.Addr().String()
	}
	if !at.IP.IsUnspecified() {
		return at.String()
	}
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = "localhost"
	}
	return net.JoinHostPort(name, fmt.Sprint(at.Port))
}

// hostsOf returns the hosts of addresses that are not empty.
func hostsOf(addresses ...string) []string {
	var hosts []string
	for _, a := range addresses {
		if host, _, err := net.SplitHostPort(a); err == nil && host != "" {
			hosts = append(hosts, strings.Trim(host, "[]"))
		}
	}
	return hosts
}
