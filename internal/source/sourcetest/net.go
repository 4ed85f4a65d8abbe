// Package sourcetest helps tests of sources: a network in memory, so that instances can be slow and fail in a
// testing/synctest bubble, and a provider whose documents are lines of text.
package sourcetest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/havre-cloud/havre/internal/source"
)

// Network connects to servers in memory by name. It is safe for concurrent use.
type Network struct {
	mu    sync.Mutex // guards what follows
	hosts map[string]*listener
}

// NewNetwork returns a network without servers; they end with the test.
func NewNetwork(t testing.TB) *Network {
	n := &Network{hosts: map[string]*listener{}}
	t.Cleanup(n.Close)
	return n
}

// Serve makes a handler reachable as host, without a port, on any port by HTTP.
func (n *Network) Serve(host string, handler http.Handler) {
	l := &listener{host: host, conns: make(chan net.Conn), done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[host] = l
	l.server = &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	l.served.Go(func() { _ = l.server.Serve(l) }) // it ends with the listener
}

// Remove makes a host unreachable and cuts its connections.
func (n *Network) Remove(host string) {
	n.mu.Lock()
	l := n.hosts[host]
	delete(n.hosts, host)
	n.mu.Unlock()
	if l != nil {
		l.stop()
	}
}

// Close removes all hosts. Nobody has to call it for a network of NewNetwork, except inside a bubble, which waits for
// its goroutines before the test's clean-up.
func (n *Network) Close() {
	n.mu.Lock()
	hosts := n.hosts
	n.hosts = map[string]*listener{}
	n.mu.Unlock()
	for _, l := range hosts {
		l.stop()
	}
}

// Dial is source.ClientOptions.Dial.
func (n *Network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	l := n.hosts[strings.ToLower(host)]
	n.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: network, Err: errors.New("connection refused")}
	if l == nil {
		return nil, refused
	}
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Client returns a client on this network without limits of its own; o may say otherwise.
func (n *Network) Client(o source.ClientOptions) *source.Client {
	o.Dial = n.Dial
	if o.PerSecond == 0 {
		o.PerSecond = -1
	}
	return source.NewClient(o)
}

type listener struct {
	host   string
	conns  chan net.Conn
	done   chan struct{}
	once   sync.Once
	server *http.Server
	served sync.WaitGroup
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *listener) Addr() net.Addr { return address(l.host) }

func (l *listener) stop() {
	l.Close()
	l.server.Close()
	l.served.Wait()
}

type address string

func (address) Network() string  { return "memory" }
func (a address) String() string { return string(a) }
