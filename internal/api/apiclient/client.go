// Package apiclient is the client's side of the protocol: what syncer.Remote asks for, and pairing.
//
// The server is recognised by the fingerprint of its key and by nothing else; there is no way past
// it. Every error that is not the context's own is or wraps a *havre.Error; failures of the
// connection have CodeUnavailable and name the address.
//
// Bulk contents go over HTTP/1.1 connections of their own, everything else shares one HTTP/2
// connection (docs/protocol.md says why).
package apiclient

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/havre-cloud/havre/internal/api/havrev1"
	"github.com/havre-cloud/havre/internal/api/havrev1/havrev1connect"
	"github.com/havre-cloud/havre/internal/api/invite"
	"github.com/havre-cloud/havre/internal/api/wire"
	"github.com/havre-cloud/havre/internal/havre"
)

// Options say which server a client talks to, and as whom.
type Options struct {
	Address     string // host:port
	Fingerprint string // of the server's certificate, see certs.Fingerprint
	Token       string // of the device; empty only for Join

	// Silence is how long a stream, a download or an upload may stand still before the
	// connection counts as lost; a minute if zero.
	Silence time.Duration
}

// Client talks to one server as one device. It is safe for concurrent use.
type Client struct {
	opts    Options
	rpc     *http.Client // HTTP/2
	bulk    *http.Client // HTTP/1.1
	sync    havrev1connect.SyncServiceClient
	pairing havrev1connect.PairingServiceClient
	sources havrev1connect.SourceServiceClient
}

const (
	dialTimeout = 10 * time.Second
	// bufferSize of the bulk connections, each way, in bytes.
	bufferSize = 256 << 10
)

// New returns a client. It does not connect yet.
func New(opts Options) *Client {
	if opts.Silence <= 0 {
		opts.Silence = time.Minute
	}
	c := &Client{
		opts: opts,
		rpc:  &http.Client{Transport: transport(opts, false), CheckRedirect: noRedirect},
		bulk: &http.Client{Transport: transport(opts, true), CheckRedirect: noRedirect},
	}
	base := "https://" + opts.Address
	options := connect.WithClientOptions(
		wire.ClientCompression(),
		connect.WithReadMaxBytes(wire.MaxMessage),
		connect.WithSendMaxBytes(wire.MaxMessage),
		connect.WithInterceptors(bearer(opts.Token)),
	)
	c.sync = havrev1connect.NewSyncServiceClient(c.rpc, base, options)
	c.pairing = havrev1connect.NewPairingServiceClient(c.rpc, base, options)
	c.sources = havrev1connect.NewSourceServiceClient(c.rpc, base, options)
	return c
}

// Close closes idle connections. Calls that are under way go on; their contexts end them.
func (c *Client) Close() {
	c.rpc.CloseIdleConnections()
	c.bulk.CloseIdleConnections()
}

// noRedirect leaves redirections alone: the server sends none, and nobody else may.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func transport(opts Options, bulk bool) *http.Transport {
	config := &tls.Config{
		MinVersion: tls.VersionTLS13,
		// The names and the signature of the certificate mean nothing here. What replaces
		// their verification is the fingerprint, checked for resumed sessions too.
		InsecureSkipVerify: true, //nolint:gosec // see above
		VerifyConnection:   pin(opts),
		ClientSessionCache: tls.NewLRUClientSessionCache(4),
	}
	t := &http.Transport{
		// Leaves out proxies for loopback addresses.
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   dialTimeout,
		IdleConnTimeout:       2 * time.Minute,
		ExpectContinueTimeout: 5 * time.Second,
		DisableCompression:    true, // messages compress themselves, files are not compressed
		Protocols:             new(http.Protocols),
	}
	if bulk {
		t.Protocols.SetHTTP1(true)
		t.MaxIdleConnsPerHost = 4
		t.ReadBufferSize, t.WriteBufferSize = bufferSize, bufferSize
		return t
	}
	t.Protocols.SetHTTP2(true)
	t.HTTP2 = &http.HTTP2Config{
		MaxReceiveBufferPerConnection: 4<<20 - 1,
		MaxReceiveBufferPerStream:     4<<20 - 1,
		MaxReadFrameSize:              256 << 10,
		SendPingTimeout:               20 * time.Second,
		PingTimeout:                   15 * time.Second,
		WriteByteTimeout:              time.Minute,
	}
	return t
}

// bearer puts the token into each request.
type bearer string

func (b bearer) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		b.set(req.Header())
		return next(ctx, req)
	}
}

func (b bearer) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		b.set(conn.RequestHeader())
		return conn
	}
}

func (b bearer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next // clients never come here
}

func (b bearer) set(h http.Header) {
	if b != "" {
		h.Set("Authorization", "Bearer "+string(b))
	}
}

// Join pairs this device by the secret of the invitation, which stands in for that of the request.
func Join(ctx context.Context, i invite.Invitation, req havre.JoinRequest) (*havre.Joined, error) {
	c := New(Options{Address: i.Address, Fingerprint: i.Fingerprint})
	defer c.Close()
	req.Secret = i.Secret
	resp, err := c.pairing.Join(ctx, connect.NewRequest(wire.Join(req)))
	if err != nil {
		return nil, c.failure(ctx, err)
	}
	return wire.DecodeJoined(resp.Msg)
}

// Leave revokes this device's token.
func (c *Client) Leave(ctx context.Context) error {
	_, err := c.sync.Leave(ctx, connect.NewRequest(&havrev1.LeaveRequest{}))
	return c.failure(ctx, err)
}

// Folders lists what the user may read.
func (c *Client) Folders(ctx context.Context) ([]havre.Folder, error) {
	resp, err := c.sync.Folders(ctx, connect.NewRequest(&havrev1.FoldersRequest{}))
	if err != nil {
		return nil, c.failure(ctx, err)
	}
	return wire.DecodeFolders(resp.Msg)
}

// Commit asks for one revision of the changes.
func (c *Client) Commit(ctx context.Context, scope havre.Scope, commit *havre.Commit) (*havre.CommitResult, error) {
	resp, err := c.sync.Commit(ctx, connect.NewRequest(wire.Commit(scope, commit)))
	if err != nil {
		return nil, c.failure(ctx, err)
	}
	return wire.DecodeCommitResult(resp.Msg, len(commit.Changes))
}

// Report tells the server how far all replicas of the device are, and returns what people decided about
// deletions that wait in them, and from when on they wait. Beyond a thousand the last ones are not told.
func (c *Client) Report(ctx context.Context, replicas []havre.ReplicaReport) (havre.Instructions, error) {
	resp, err := c.sync.Report(ctx, connect.NewRequest(wire.Reports(replicas[:min(len(replicas), wire.MaxReports)])))
	if err != nil {
		return havre.Instructions{}, c.failure(ctx, err)
	}
	return wire.DecodeInstructions(resp.Msg)
}
