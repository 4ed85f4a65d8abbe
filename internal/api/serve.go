package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	// headerTimeout is for the TLS handshake and for the header of a request.
	headerTimeout = 15 * time.Second
	// idleTimeout is for connections without a request.
	idleTimeout = 3 * time.Minute
	// graceTime is what requests have for their end when the server stops.
	graceTime = 10 * time.Second

	maxHeader = 64 << 10 // bytes
)

// Serve answers requests on the listener with handler, over TLS 1.3 with the certificate and
// HTTP/2 or HTTP/1.1 as the client prefers, until ctx is done: then it tells the streams, gives
// everything else ten seconds to end, closes what is left, and returns nil. It closes the listener.
func Serve(ctx context.Context, listener net.Listener, certificate tls.Certificate, handler http.Handler, logger *slog.Logger) error {
	stop := make(chan struct{}) // closed by this function when ctx is done
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.WithoutCancel(ctx), stoppingKey{}, (<-chan struct{})(stop))
		},
		TLSConfig: &tls.Config{
			MinVersion:   tls.VersionTLS13,
			Certificates: []tls.Certificate{certificate},
		},
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 250,
			// A commit of many small files fills a window of 64 KiB in no time.
			MaxReceiveBufferPerConnection: 4<<20 - 1,
			MaxReceiveBufferPerStream:     4<<20 - 1,
			MaxReadFrameSize:              256 << 10,
			SendPingTimeout:               30 * time.Second,
			PingTimeout:                   15 * time.Second,
			WriteByteTimeout:              time.Minute,
		},
	}
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)

	failed := make(chan error, 1)
	go func() { failed <- server.ServeTLS(plainListener{listener}, "", "") }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	close(stop)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceTime)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		logger.WarnContext(ctx, "requests were cut off at the stop", "error", err)
		_ = server.Close() // what it could say was said by Shutdown
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	}
	return nil
}

type stoppingKey struct{}

// Stopping returns a channel that is closed when the server that a request came through is going to
// stop; nil, which never is, if it did not come through Serve.
func Stopping(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return c
}
