package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"connectrpc.com/connect"

	"github.com/havre-cloud/havre/internal/api/havrev1/havrev1connect"
	"github.com/havre-cloud/havre/internal/api/wire"
)

// Options of a handler. The zero value is good.
type Options struct {
	// Logger gets failures that the server's operator should know; nobody does if nil.
	Logger *slog.Logger
	// Heartbeat is how long a stream of Follow may be silent; the protocol promises 20 seconds
	// at most, 15 if zero.
	Heartbeat time.Duration
	// Stall is how long a peer may take for the next piece of a request or an answer before it
	// is cut off; a minute if zero.
	Stall time.Duration
	// Pages answers everything that is not of the protocol: browsers. Not found if nil.
	Pages http.Handler
	// Sources are the online documents that are backed up; the server knows nothing of such if nil.
	Sources Sources
	// Proxies are the networks of reverse proxies that are believed when they say where a request came
	// from; none if empty.
	Proxies []netip.Prefix
}

// NewHandler returns what answers all requests of a server: the protocol and, at all other addresses,
// the pages.
func NewHandler(hub Hub, opts Options) http.Handler {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Heartbeat <= 0 {
		opts.Heartbeat = 15 * time.Second
	}
	if opts.Stall <= 0 {
		opts.Stall = time.Minute
	}
	s := &server{hub: hub, log: opts.Logger, heartbeat: opts.Heartbeat, door: newDoor(hub)}

	mux := http.NewServeMux()
	path, handler := havrev1connect.NewPairingServiceHandler((*pairing)(s),
		s.options(), connect.WithRequestGate(s.gateAddress), connect.WithReadMaxBytes(wire.MaxSmallMessage))
	mux.Handle(path, handler)
	path, handler = havrev1connect.NewSyncServiceHandler(s,
		s.options(), connect.WithRequestGate(s.gateToken), connect.WithConditionalHandlerOptions(readLimit))
	mux.Handle(path, handler)
	if opts.Sources != nil {
		path, handler = havrev1connect.NewSourceServiceHandler(&sources{opts.Sources},
			s.options(), connect.WithRequestGate(s.gateToken), connect.WithConditionalHandlerOptions(readLimit))
		mux.Handle(path, handler)
	}
	mux.Handle("GET "+wire.ContentPath, s.raw(s.content))
	mux.Handle("PUT "+wire.UploadPath, s.raw(s.upload))
	if opts.Pages != nil {
		mux.Handle("/", opts.Pages)
	}
	return behindProxies(unstall(mux, opts.Stall), opts.Proxies)
}

// server answers the requests of the SyncService.
type server struct {
	hub       Hub
	log       *slog.Logger
	heartbeat time.Duration
	door      *door
}

// pairing answers those of the PairingService.
type pairing server

// options are those of all services.
func (s *server) options() connect.HandlerOption {
	return connect.WithHandlerOptions(
		wire.HandlerCompression(),
		connect.WithRecover(s.recovered),
		connect.WithInterceptors(failures{s}),
	)
}

// readLimit gives each procedure the room that its requests need.
func readLimit(spec connect.Spec) []connect.HandlerOption {
	limit := wire.MaxSmallMessage
	switch spec.Procedure {
	case havrev1connect.SyncServiceCommitProcedure:
		limit = wire.MaxMessage
	case havrev1connect.SyncServiceFetchProcedure, havrev1connect.SyncServiceReportProcedure, havrev1connect.SourceServiceAddSourcesProcedure:
		limit = wire.MaxMessage / 8
	}
	return []connect.HandlerOption{connect.WithReadMaxBytes(limit)}
}

// recovered turns a panic into an answer; the log gets where it happened.
func (s *server) recovered(ctx context.Context, spec connect.Spec, _ http.Header, v any) error {
	err := fmt.Errorf("panic: %v\n%s", v, debug.Stack())
	return wire.ConnectError(s.public(ctx, spec.Procedure, err))
}
