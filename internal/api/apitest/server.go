package apitest

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"

	"github.com/havre-cloud/havre/internal/api"
	"github.com/havre-cloud/havre/internal/api/apiclient"
	"github.com/havre-cloud/havre/internal/api/certs"
)

// Server is a server that listens on the loopback interface until the test ends.
type Server struct {
	Address     string
	Fingerprint string
	// Stop ends Serve and returns its error. It is called at the end of the test at the latest.
	Stop func() error
}

// Certificate returns one that is made once for all tests of a process.
var Certificate = sync.OnceValue(func() tls.Certificate {
	dir, err := os.MkdirTemp("", "apitest")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	c, err := certs.Load(dir)
	if err != nil {
		panic(err)
	}
	return c
})

// Start serves hub.
func Start(t testing.TB, hub api.Hub, opts api.Options) *Server {
	t.Helper()
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return StartHandler(t, api.NewHandler(hub, opts), opts.Logger)
}

// StartHandler serves a handler.
func StartHandler(t testing.TB, handler http.Handler, logger *slog.Logger) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- api.Serve(ctx, l, Certificate(), handler, logger) }()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error("serve:", err)
		}
	})
	return &Server{Address: l.Addr().String(), Fingerprint: certs.Fingerprint(Certificate().Leaf), Stop: stop}
}

// Options return those of a client for the server with Token.
func (s *Server) Options() apiclient.Options {
	return apiclient.Options{Address: s.Address, Fingerprint: s.Fingerprint, Token: Token}
}

// Client returns a client for the server with Token, closed at the end of the test.
func (s *Server) Client(t testing.TB) *apiclient.Client {
	t.Helper()
	return Dial(t, s.Options())
}

// Dial returns a client that is closed at the end of the test.
func Dial(t testing.TB, opts apiclient.Options) *apiclient.Client {
	t.Helper()
	c := apiclient.New(opts)
	t.Cleanup(c.Close)
	return c
}
