// Package socket speaks socket.io with a server as a client: engine.io 3 (socket.io 2) and 4 (socket.io 3 and 4), over a
// WebSocket. It knows events, numbered answers and the heartbeats of both versions: in 3 the client asks and the server
// answers, in 4 it is the other way round. Not spoken are other namespaces than "/", binary attachments, and polling, which
// is used only to find out the version.
//
// Sources: github.com/socketio/engine.io-protocol (revisions 3 and 4), github.com/socketio/socket.io-protocol
// (revisions 4 and 5), and what was recorded of Etherpad 1.8.14 and 2.5.3. Why it is written by hand: docs/decisions/0019.
//
// A Conn has a goroutine that reads and one that keeps the heartbeat; Close ends both and waits for them.
package socket

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Limits of what a server can make us do.
const (
	defaultMaxMessage = 64 << 20
	openTimeout       = 20 * time.Second
	writeTimeout      = 20 * time.Second
	// oldConnect is how long a server of unknown version has to connect us by itself, as socket.io 2 does at once.
	oldConnect = 2 * time.Second
	eventQueue = 64
)

// Options says where and how to connect.
type Options struct {
	// Root is the address of the service, with its sub-path: socket.io/ is below it.
	Root *url.URL
	// Version of engine.io, 3 or 4; zero: Dial finds out.
	Version int
	// Header is sent with each request: credentials, cookies, User-Agent.
	Header http.Header
	// Do makes the request that finds out the version, Client the one that becomes a WebSocket. The client must speak
	// HTTP/1.1, not follow redirects, and have no Timeout of its own.
	Do     func(*http.Request) (*http.Response, error)
	Client *http.Client
	// MaxMessage bounds a message from the server in bytes, 64 MiB if zero.
	MaxMessage int64
}

// StatusError is the HTTP status of a server that does not open a socket.
type StatusError struct{ Status int }

func (e *StatusError) Error() string {
	return fmt.Sprintf("the server answers %d instead of opening a socket", e.Status)
}

// ErrClosed ends a connection that we closed.
var ErrClosed = errors.New("the socket is closed")

// ErrSilent ends a connection whose server misses its heartbeat.
var ErrSilent = errors.New("the server's heartbeat stopped")

// Conn is a connection to a socket.io server. Emit may be called from several goroutines.
type Conn struct {
	ws        *websocket.Conn
	version   int
	handshake handshake

	events chan Packet
	ctx    context.Context // ends with the connection, with the reason as its cause
	cancel context.CancelCauseFunc
	silent *time.Timer
	done   sync.WaitGroup
}

// Version asks a server which version of engine.io it speaks, 3 or 4. Zero and no error: it does not say, for it takes
// no polling.
func Version(ctx context.Context, o Options) (int, error) {
	u := endpoint(o.Root, "4", "polling")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, err
	}
	copyHeader(req.Header, o.Header)
	resp, err := o.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return 0, err
	}
	if v := versionOf(body); v != 0 {
		return v, nil
	}
	var refused struct{ Code *int }
	if resp.StatusCode == http.StatusBadRequest && json.Unmarshal(body, &refused) == nil && refused.Code != nil {
		return 0, nil // an engine.io server that takes only WebSockets
	}
	return 0, &StatusError{Status: resp.StatusCode}
}

// Dial connects, and returns when the namespace "/" is open. The context is for connecting only.
func Dial(ctx context.Context, o Options) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	version := o.Version
	if version == 0 {
		var err error
		if version, err = Version(ctx, o); err != nil {
			return nil, err
		}
	}
	u := endpoint(o.Root, strconv.Itoa(cmp.Or(version, 4)), "websocket")
	header := http.Header{}
	copyHeader(header, o.Header)
	ws, resp, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{HTTPClient: o.Client, HTTPHeader: header}) //nolint:bodyclose // Dial does it
	if err != nil {
		o.Client.CloseIdleConnections()
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			return nil, &StatusError{Status: resp.StatusCode}
		}
		return nil, err
	}
	ws.SetReadLimit(cmp.Or(o.MaxMessage, defaultMaxMessage))
	c := &Conn{ws: ws, version: version, events: make(chan Packet, eventQueue)}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	if err := c.open(ctx); err != nil {
		c.cancel(err)
		ws.CloseNow() //nolint:errcheck // it is given up
		return nil, err
	}
	c.done.Go(c.read)
	if c.version == 3 {
		c.done.Go(c.beat)
	}
	return c, nil
}

func endpoint(root *url.URL, version, transport string) *url.URL {
	u := root.JoinPath("socket.io/")
	u.RawQuery = url.Values{"EIO": {version}, "transport": {transport}}.Encode()
	u.Fragment = ""
	return u
}

func copyHeader(to, from http.Header) {
	for name, values := range from {
		to[name] = append([]string(nil), values...)
	}
}

// open waits for the server's handshake and the namespace.
func (c *Conn) open(ctx context.Context) error {
	first, err := c.next(ctx)
	if err != nil {
		return err
	}
	if c.handshake, err = parseHandshake(first); err != nil {
		return err
	}
	if c.version == 0 && c.handshake.MaxPayload > 0 {
		c.version = 4
	}
	c.silent = time.AfterFunc(c.patience(), func() { c.cancel(ErrSilent) })
	if c.version == 4 {
		if err := c.write(ctx, []byte{engineMessage, byte(Connect)}); err != nil {
			return err
		}
	}
	var late *time.Timer
	if c.version == 0 {
		late = time.AfterFunc(oldConnect, func() { c.write(ctx, []byte{engineMessage, byte(Connect)}) }) //nolint:errcheck // the answer is waited for
		defer late.Stop()
	}
	for {
		packet, err := c.next(ctx)
		if err != nil {
			return err
		}
		if packet[0] == enginePing {
			c.version = 4
			if err := c.write(ctx, append([]byte{enginePong}, packet[1:]...)); err != nil {
				return err
			}
			continue
		}
		if packet[0] != engineMessage {
			continue
		}
		p, err := ParsePacket(packet[1:])
		switch {
		case err != nil:
			return err
		case p.Type == ConnectError:
			return errors.New("the server refuses the namespace")
		case p.Type != Connect || p.Namespace != "/":
			continue
		}
		if c.version == 0 {
			c.version = 3
			if !late.Stop() {
				c.version = 4 // it waited to be asked
			}
		}
		return nil
	}
}

// patience is how long nothing may come before the server is taken for dead: in both versions a heartbeat passes at each
// interval.
func (c *Conn) patience() time.Duration {
	return time.Duration(c.handshake.PingInterval+c.handshake.PingTimeout) * time.Millisecond
}

// next reads one packet of engine.io.
func (c *Conn) next(ctx context.Context) ([]byte, error) {
	kind, data, err := c.ws.Read(ctx)
	if err != nil {
		return nil, err
	}
	if kind != websocket.MessageText || len(data) == 0 {
		return nil, errors.New("the server sends what is no text")
	}
	return data, nil
}

func (c *Conn) write(ctx context.Context, b []byte) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return c.ws.Write(ctx, websocket.MessageText, b)
}

// read delivers events until the connection ends.
func (c *Conn) read() {
	defer close(c.events)
	defer c.silent.Stop()
	for {
		packet, err := c.next(c.ctx)
		if err == nil {
			c.silent.Reset(c.patience())
			err = c.handle(packet)
		}
		if err != nil {
			c.cancel(err)   // the first cause stays
			c.ws.CloseNow() //nolint:errcheck // it is over
			return
		}
	}
}

func (c *Conn) handle(packet []byte) error {
	switch packet[0] {
	case enginePing:
		return c.write(c.ctx, append([]byte{enginePong}, packet[1:]...))
	case engineClose:
		return io.EOF
	case enginePong, engineNoop, engineUpgrade:
		return nil
	case engineMessage:
	default:
		return fmt.Errorf("a packet of engine.io has the type %q", packet[0])
	}
	p, err := ParsePacket(packet[1:])
	if err != nil {
		return err
	}
	if p.Namespace != "/" {
		return nil
	}
	switch p.Type {
	case Disconnect, ConnectError:
		return io.EOF
	case Event, Answer:
		select {
		case c.events <- p:
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
	return nil
}

// beat asks the server of engine.io 3 at each interval whether it is there.
func (c *Conn) beat() {
	tick := time.NewTicker(time.Duration(c.handshake.PingInterval) * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
			if err := c.write(c.ctx, []byte{enginePing}); err != nil {
				c.cancel(err)
				return
			}
		}
	}
}

// Events returns what the server sends: events and answers. It is closed when the connection ends; Err tells why.
// Heartbeats stop after 64 events that nobody takes.
func (c *Conn) Events() <-chan Packet { return c.events }

// Err returns why the connection ended, nil before that.
func (c *Conn) Err() error {
	err := context.Cause(c.ctx)
	if opErr, ok := errors.AsType[*net.OpError](err); ok {
		return opErr.Err // without the addresses
	}
	return err
}

// Engine is the version of engine.io that is spoken, 3 or 4.
func (c *Conn) Engine() int { return c.version }

// Emit sends an event. The answer to a number that is not negative is a packet of type Answer with the same one, if the
// server answers at all.
func (c *Conn) Emit(ctx context.Context, number int, event string, args ...any) error {
	data, err := json.Marshal(append([]any{event}, args...))
	if err != nil {
		return err
	}
	b := Packet{Type: Event, Number: number, Data: data}.Append([]byte{engineMessage})
	if limit := c.handshake.MaxPayload; limit > 0 && len(b) > limit {
		return fmt.Errorf("a message of %d bytes is larger than the server takes, %d", len(b), limit)
	}
	if err := context.Cause(c.ctx); err != nil {
		return err
	}
	return c.write(ctx, b)
}

// Close ends the connection and returns when nothing of it runs any more.
func (c *Conn) Close() {
	c.cancel(ErrClosed)
	c.done.Wait()
	c.silent.Stop()
}
