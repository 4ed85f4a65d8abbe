package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/home"
)

type demoCmd struct {
	Dir string `default:"demo" help:"Where everything goes: laptop, desktop, server, clients, log. It stays, and the next demo goes on with it."`
}

// Help is the text below the usage.
func (demoCmd) Help() string {
	return `It starts a server and two clients as programs of their own, which speak TLS with each other on the
loopback interface, and shows a line for each change: when, which device, to the server (↑) or from
it (↓), what, the revision, and the time it took. A line that begins with "ready" says that files flow.
Ctrl-C ends it.

Examples:

    havre demo
    havre demo --dir /tmp/havre

` + exitCodes
}

// The names that the demo gives to things.
const demoFolder = "Demo"

var demoDevices = []string{"laptop", "desktop"}

// demo is a demo in its directory.
type demo struct {
	dir   string
	con   *console
	live  *live
	homes map[string]*home.Home // by device
	// repository is the folder's, on the server; known once there is one.
	repository string
	pages      string // address for a browser, with the setup code until it is used

	events chan home.Event // all devices'; never closed
	notes  chan string     // what is said between the lines; never closed
}

// Run executes the command.
func (c *demoCmd) Run(ctx context.Context, con *console) error {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	d := &demo{
		dir: dir, con: con, homes: map[string]*home.Home{},
		live:   newLive(con.out, os.Stdout.Fd(), demoDevices...),
		events: make(chan home.Event, 256),
		notes:  make(chan string, 16),
	}
	if err := d.prepare(); err != nil {
		return err
	}
	return d.run(ctx)
}

func (d *demo) serverDir() string          { return filepath.Join(d.dir, "server") }
func (d *demo) logFile(name string) string { return filepath.Join(d.dir, "log", name+".log") }
func (d *demo) device(name string) string  { return filepath.Join(d.dir, name) }
func (d *demo) homeDir(name string) string { return filepath.Join(d.dir, "clients", name) }
func (d *demo) noteFor(ctx context.Context) func(string) {
	return func(text string) {
		select {
		case d.notes <- text:
		case <-ctx.Done():
		}
	}
}

func (d *demo) prepare() error {
	errs := []error{os.MkdirAll(filepath.Join(d.dir, "log"), 0o755)}
	for _, name := range demoDevices {
		h, err := home.Open(d.homeDir(name))
		d.homes[name] = h
		errs = append(errs, err, os.MkdirAll(d.device(name), 0o755))
	}
	return errors.Join(errs...)
}

// run starts everything and waits for the end of ctx, or for a failure of the start.
func (d *demo) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The clients end before the server, so that they have somebody to say good-bye to.
	serverCtx, stopServer := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServer()

	var server, clients sync.WaitGroup
	defer server.Wait()
	defer stopServer()
	defer clients.Wait()
	defer cancel()

	address, err := d.startServer(serverCtx, ctx, &server)
	if err != nil {
		return err
	}
	if err := d.pair(ctx, address); err != nil {
		return err
	}
	for _, name := range demoDevices {
		clients.Go(func() { d.runClient(ctx, name) })
	}
	clients.Go(func() {
		if err := d.awaitReady(ctx); err == nil {
			d.noteFor(ctx)(readyLine)
		}
	})
	fmt.Fprint(d.con.out, d.welcome())
	d.live.run(ctx, d.events, d.notes)
	fmt.Fprintln(d.con.out, "ended; everything stays in "+shown(d.dir))
	return nil
}

const readyLine = "ready: files flow; changes show below; Ctrl-C ends it"

// startServer starts the server, on the port of the last time if that is free, and returns its
// address once it answers.
func (d *demo) startServer(ctx, startCtx context.Context, wg *sync.WaitGroup) (string, error) {
	address := "127.0.0.1:0"
	if config, err := d.homes[demoDevices[0]].Config(); err == nil && config.Identity != nil && isFree(startCtx, config.Identity.Server) {
		address = config.Identity.Server
	}
	answers := make(chan string, 1)
	ended := make(chan string, 1)
	// Started again after a kill it must be where the clients look for it.
	var once sync.Once
	server := &child{
		name: "server", log: d.logFile("server"),
		args: []string{"serve", "--data", d.serverDir(), "--listen", address, "--name", "Demo", "--with-parent"},
		note: func(text string) {
			select {
			case ended <- text:
			default:
			}
			d.noteFor(ctx)(text)
		},
	}
	server.line = func(line string) {
		if at, ok := strings.CutPrefix(line, serveReady); ok {
			once.Do(func() {
				at = strings.TrimPrefix(strings.TrimSpace(at), "https://")
				server.args[4] = at
				answers <- at
			})
		}
	}
	wg.Go(func() { server.run(ctx) })
	select {
	case <-startCtx.Done():
		return "", startCtx.Err()
	case at := <-answers:
		return at, nil
	case why := <-ended:
		return "", fmt.Errorf("%s: %s", why, lastLine(d.logFile("server")))
	}
}

// pair makes the user, the folder and the two devices, as far as they are not there from the last
// time.
func (d *demo) pair(ctx context.Context, address string) error {
	admin, err := openAdmin(ctx, d.serverDir())
	if err != nil {
		return err
	}
	defer admin.Close()
	f, err := admin.folder(ctx, demoFolder)
	if havre.CodeOf(err) == havre.CodeNotFound {
		f, err = admin.addFolder(ctx, demoFolder)
	}
	if err != nil {
		return err
	}
	d.repository = admin.RepositoryDir(f)
	d.pages = "https://" + address
	code, err := admin.RenewSetupCode(ctx)
	if err != nil {
		return err
	}
	if code != "" {
		d.pages += "/setup?code=" + code
	}
	for _, name := range demoDevices {
		if err := d.pairDevice(ctx, admin, name, address); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (d *demo) pairDevice(ctx context.Context, admin *admin, name, address string) error {
	h := d.homes[name]
	lock, err := h.Lock()
	if err != nil {
		return err
	}
	defer lock.Unlock() //nolint:errcheck // the file is only read
	config, err := h.Config()
	if err != nil {
		return err
	}
	if config.Identity == nil {
		user, err := admin.firstAdmin(ctx)
		if err != nil {
			return err
		}
		made, err := admin.Invite(ctx, user)
		if err != nil {
			return err
		}
		invitation, err := admin.invitation(ctx, made.Secret)
		if err != nil {
			return err
		}
		if err := join(ctx, h, invitation, name); err != nil {
			return err
		}
	} else if config.Identity.Server != address {
		// The port of the last time was taken.
		config.Identity.Server = address
		if err := h.Save(config); err != nil {
			return err
		}
	}
	if config, err = h.Config(); err != nil || len(config.Replicas) > 0 {
		return err
	}
	_, err = newDirectAgent(h, d.con.log).Add(ctx, home.AddRequest{Folder: demoFolder, Dir: d.device(name)})
	return err
}

// runClient keeps one client running, and passes on what it tells.
func (d *demo) runClient(ctx context.Context, name string) {
	client := &child{
		name: name, log: d.logFile(name), note: d.noteFor(ctx),
		args: []string{"run", "--home", d.homeDir(name), "--with-parent", "--quiet"},
	}
	var wg sync.WaitGroup
	wg.Go(func() { client.run(ctx) })
	wg.Go(func() {
		for ctx.Err() == nil {
			d.listen(ctx, name)
			_ = pause(ctx, 50*time.Millisecond)
		}
	})
	wg.Wait()
}

// listen passes on what the client tells until it ends.
func (d *demo) listen(ctx context.Context, name string) {
	conn, err := d.homes[name].Connect(ctx)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.Events(ctx, func() {}, func(e home.Event) {
		select {
		case d.events <- e:
		case <-ctx.Done():
		}
	})
}

// awaitReady returns when both clients say that they are up to date.
func (d *demo) awaitReady(ctx context.Context) error {
	for _, name := range demoDevices {
		for !d.upToDate(ctx, name) {
			if err := pause(ctx, 20*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *demo) upToDate(ctx context.Context, name string) bool {
	conn, err := d.homes[name].Connect(ctx)
	if err != nil {
		return false
	}
	defer conn.Close()
	s, err := conn.Status(ctx)
	return err == nil && len(s.Replicas) == 1 && s.Replicas[0].State == home.StateUpToDate
}

// welcome says where things are and what to try.
func (d *demo) welcome() string {
	repo := quoteArg(fileURL(d.repository))
	self := quoteArg(selfName())
	var b strings.Builder
	fmt.Fprintf(&b, "\nhavre demo: two clients, which keep one folder the same, and their server\n\n")
	b.WriteString(table([][]string{
		{"  laptop", shown(d.device("laptop"))},
		{"  desktop", shown(d.device("desktop"))},
		{"  repository", shown(d.repository)},
		{"  pages", d.pages},
	}))
	fmt.Fprintf(&b, "\nDrop, edit, rename or delete files in one directory and look into the other.\nAnd try:\n\n")
	fmt.Fprintf(&b, "  svn log -v %s\n", repo)
	fmt.Fprintf(&b, "  svn checkout %s %s\n", repo, quoteArg(filepath.Join(d.dir, "checkout")))
	fmt.Fprintf(&b, "  %s status --home %s\n\n", self, quoteArg(d.homeDir("laptop")))
	return b.String()
}

// selfName returns how this program is called from a shell.
func selfName() string {
	const name = "havre"
	path, err := os.Executable()
	if err != nil {
		return name
	}
	found, err := exec.LookPath(name)
	if err != nil {
		return path
	}
	a, err := os.Stat(path)
	if err != nil {
		return path
	}
	if b, err := os.Stat(found); err != nil || !os.SameFile(a, b) {
		return path
	}
	return name
}

// fileURL returns the address by which Subversion knows a directory of this machine.
func fileURL(dir string) string {
	path := filepath.ToSlash(dir)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/...
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// isFree says whether nobody listens at the address.
func isFree(ctx context.Context, address string) bool {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// lastLine returns the last line of a log, which usually says why a program ended.
func lastLine(name string) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return lines[len(lines)-1]
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
