package etherpadtest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

// FakeOptions says how a fake server is set up, beyond what a real one can be.
type FakeOptions struct {
	Options
	// Version is "2.5.3", or "1.8.14" to behave as that one where they differ.
	Version string
	// PingInterval and PingTimeout of its sockets, 25 s and 20 s if zero.
	PingInterval, PingTimeout time.Duration
	// OAuth is "ID:SECRET" of the client that gets tokens for the API, which then takes no key. Only 2.x has that.
	OAuth string
	// MyPads are accounts of that plugin, passwords by login, and MyPadsPads the ids of pads by login.
	MyPads     map[string]string
	MyPadsPads map[string][]string
	// NoPolling: its sockets are WebSockets only.
	NoPolling bool
	// OldImport: an instance that does not know .etherpad files and takes them as text.
	OldImport bool
}

// Fake is a server that behaves as was measured of Etherpad.
type Fake struct {
	base
	options FakeOptions
	network Network // nil: this machine's

	mu       sync.Mutex // guards what follows
	server   *http.Server
	address  string
	stopped  chan struct{}
	serving  sync.WaitGroup
	pads     map[string]*fakePad
	readOnly map[string]string // read-only id to name
	groups   map[string]bool
	sessions map[string]string   // session to group
	lasting  map[string][]string // session to author and when it ends
	authors  map[string]*fakeAuthor
	sockets  map[*fakeSocket]bool
	exports  window
	messages map[string]*window
	joins    int
	mute     bool // requests are taken and never answered
	tokens   map[string]bool
}

type fakeAuthor struct {
	Name  any // string or nil
	Color any // number of the palette or "#rrggbb"
	Seen  int64
	Pad   string
}

type window struct {
	used  int
	until time.Time
}

// take counts one, and tells whether it is within the limit.
func (w *window) take(limit int, length time.Duration) (remaining int, ok bool) {
	if now := time.Now(); !now.Before(w.until) {
		w.used, w.until = 0, now.Add(length)
	}
	w.used++
	return max(limit-w.used, 0), w.used <= limit
}

// StartFake starts a fake server, which ends with the test.
func StartFake(t testing.TB, o FakeOptions) *Fake {
	t.Helper()
	f, err := NewFake(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Kill)
	return f
}

// NewFake is StartFake for what is no test. Kill ends it.
func NewFake(o FakeOptions) (*Fake, error) {
	o = o.filled()
	f := &Fake{options: o}
	f.forget()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", o.Port))
	if err != nil {
		return nil, err
	}
	f.address = l.Addr().String()
	f.base = newBase("http://"+f.address, "0123456789abcdef", o.Version, o.Options)
	f.serve(l)
	return f, nil
}

// Network is where a fake can be reached instead of on this machine's: sourcetest.Network.
type Network interface {
	Serve(host string, handler http.Handler)
	Remove(host string)
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// NewFakeOn returns a fake server that is reached as http://HOST on a network in memory, where testing/synctest's clock
// holds. Kill ends it, which has to be done before the bubble ends.
func NewFakeOn(n Network, host string, o FakeOptions) *Fake {
	o = o.filled()
	f := &Fake{options: o, network: n, address: host}
	f.forget()
	f.base = newBase("http://"+host, "0123456789abcdef", o.Version, o.Options)
	f.transport = &http.Transport{DialContext: n.Dial, DisableKeepAlives: true}
	f.dial = n.Dial
	f.serve(nil)
	return f
}

func (o FakeOptions) filled() FakeOptions {
	o.Version = cmp.Or(o.Version, "2.5.3")
	o.PingInterval = cmp.Or(o.PingInterval, 25*time.Second)
	o.PingTimeout = cmp.Or(o.PingTimeout, 20*time.Second)
	return o
}

// forget makes it a server without data.
func (f *Fake) forget() {
	f.pads, f.readOnly, f.groups = map[string]*fakePad{}, map[string]string{}, map[string]bool{}
	f.sessions, f.authors, f.tokens = map[string]string{}, map[string]*fakeAuthor{}, map[string]bool{}
	f.lasting = map[string][]string{}
}

func (f *Fake) serve(l net.Listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sockets, f.messages, f.exports = map[*fakeSocket]bool{}, map[string]*window{}, window{}
	f.stopped = make(chan struct{})
	if f.network != nil {
		f.server = &http.Server{}
		f.network.Serve(f.address, f.handler())
		return
	}
	f.server = &http.Server{Handler: f.handler()}
	server := f.server
	f.serving.Go(func() { server.Serve(l) })
}

// old tells whether it is to behave as 1.8.14.
func (f *Fake) old() bool { return f.options.Version == "1.8.14" }

// Kill ends the server and its connections at once; its data stay for Restart.
func (f *Fake) Kill() {
	f.mu.Lock()
	server, sockets := f.server, f.sockets
	f.server, f.sockets = nil, nil
	if server != nil {
		close(f.stopped)
	}
	f.mu.Unlock()
	if server == nil {
		return
	}
	server.Close()
	if f.network != nil {
		f.network.Remove(f.address)
	}
	for s := range sockets {
		s.ws.CloseNow()
	}
	f.serving.Wait()
}

// Restart starts a server that was killed, with the same address and data.
func (f *Fake) Restart(t testing.TB) {
	t.Helper()
	if f.network != nil {
		f.serve(nil)
		return
	}
	l, err := net.Listen("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	f.serve(l)
}

// Reset kills the server and starts it without any data.
func (f *Fake) Reset(t testing.TB) {
	t.Helper()
	f.Kill()
	f.mu.Lock()
	f.forget()
	f.mu.Unlock()
	f.Restart(t)
}

// Mute makes the server take requests without answering any, or answer again.
func (f *Fake) Mute(mute bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mute = mute
}

// Pads are the names of the pads that exist.
func (f *Fake) Pads() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.padNames()
}

// Joins is how often someone opened a pad by socket.
func (f *Fake) Joins() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.joins
}

// Exports is how many exports and imports were asked for in the present window.
func (f *Fake) Exports() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.exports.used
}

// Loosen makes a fake forget what it counted of exports.
func (f *Fake) Loosen() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.exports = window{}
}

// Cut closes all sockets, as a proxy that is restarted does.
func (f *Fake) Cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.sockets {
		go s.ws.CloseNow()
	}
}

// Expel sends {"disconnect": reason} to all who have a pad open.
func (f *Fake) Expel(reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.sockets {
		s.message(map[string]any{"disconnect": reason})
	}
}

// Lose makes the next change of a pad never reach its followers.
func (f *Fake) Lose(pad string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pads[pad].lose = true
}

// Forget removes a pad without telling anyone.
func (f *Fake) Forget(pad string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.readOnly, f.readOnlyID(pad))
	delete(f.pads, pad)
}

// Rewind takes the latest n revisions of a pad away without telling anyone, as a crash does.
func (f *Fake) Rewind(pad string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pads[pad]
	p.revs = p.revs[:max(1, len(p.revs)-n)]
	p.text = changeset.New(p.text.Pool())
	for _, r := range p.revs {
		c, err := changeset.Parse(r.changeset)
		if err != nil {
			panic(err)
		}
		if err := p.text.Apply(c); err != nil {
			panic(err)
		}
	}
}

// Damage removes a record of a pad: "revs:3" or "chat:0".
func (f *Fake) Damage(pad, record string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pads[pad].missing[record] = true
}

// id returns what looks random and is the same in each run.
func id(kind, of string, n int) string {
	sum := sha256.Sum256([]byte(kind + of))
	return kind + hex.EncodeToString(sum[:])[:n]
}

var errUnauthorised = errors.New("no access")

// access says whether someone may have a pad; known is its name. It is called with the lock held.
func (f *Fake) access(name, session string, create bool) (known string, readOnly bool, err error) {
	known = name
	if strings.HasPrefix(name, "r.") {
		var ok bool
		if known, ok = f.readOnly[name]; !ok {
			return "", true, errUnauthorised
		}
		readOnly = true
	}
	_, exists := f.pads[known]
	group, _, grouped := strings.Cut(known, "$")
	owned := false
	for s := range strings.SplitSeq(session, ",") {
		owned = owned || s != "" && f.sessions[s] == group
	}
	switch {
	case f.options.RequireSession && !owned:
		return "", readOnly, errUnauthorised
	case grouped && (!exists || !f.pads[known].public && !owned):
		return "", readOnly, errUnauthorised
	case !exists && (readOnly || f.options.EditOnly):
		return "", readOnly, errUnauthorised
	case !exists && !create:
		return "", readOnly, nil
	}
	return known, readOnly, nil
}

func serve(t testing.TB, h http.Handler) string {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}
