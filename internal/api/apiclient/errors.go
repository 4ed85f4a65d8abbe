package apiclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"

	"connectrpc.com/connect"

	"github.com/havre-cloud/havre/internal/api/certs"
	"github.com/havre-cloud/havre/internal/api/wire"
	"github.com/havre-cloud/havre/internal/havre"
)

// FingerprintError says that who answered at Address is not the server that the device was paired
// with. Nothing was sent to it.
type FingerprintError struct {
	Address   string
	Want, Got string // as certs.Fingerprint gives them
}

func (e *FingerprintError) Error() string {
	return fmt.Sprintf("%s answers with the fingerprint %s, not %s", e.Address, e.Got, e.Want)
}

// pin returns what lets only the right server through.
func pin(opts Options) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		got := "none"
		if len(state.PeerCertificates) > 0 {
			got = certs.Fingerprint(state.PeerCertificates[0])
		}
		if got != opts.Fingerprint {
			return &FingerprintError{Address: opts.Address, Want: opts.Fingerprint, Got: got}
		}
		return nil
	}
}

// failure returns err as this package's callers expect it; nil stays nil.
func (c *Client) failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*havre.Error](err); ok {
		return e
	}
	// Before the context's own end: what the server said last is worth more.
	if e := wire.DecodeConnectError(err); e != nil {
		return e
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e, ok := errors.AsType[*FingerprintError](err); ok {
		return &havre.Error{
			Code: havre.CodeUnavailable,
			Text: fmt.Sprintf("another server than the one this device was paired with answers at %s: either something "+
				"stands between (a hotel's network, a proxy), or the server has a new key; compare its fingerprint "+
				"with its administrator, and if it is new, join again", c.opts.Address),
			Cause: e,
		}
	}
	if ce, ok := errors.AsType[*connect.Error](err); ok {
		if e := refused(ce); e != nil {
			return e
		}
	}
	return c.unavailable(err)
}

// refused returns the failure that ConnectRPC itself reports, nil if it is one of the connection.
func refused(err *connect.Error) *havre.Error {
	switch err.Code() {
	case connect.CodeUnimplemented:
		return &havre.Error{Code: havre.CodeInvalid, Text: "the server does not know this request: its havre is older than this one, update it", Cause: err}
	case connect.CodeResourceExhausted, connect.CodeInvalidArgument, connect.CodeOutOfRange:
		return &havre.Error{Code: havre.CodeInvalid, Text: "the request or its answer is larger than the protocol allows, or malformed", Cause: err}
	case connect.CodeUnauthenticated:
		return &havre.Error{Code: havre.CodeUnauthenticated, Text: "the server does not know this device; join again", Cause: err}
	case connect.CodePermissionDenied:
		return &havre.Error{Code: havre.CodeDenied, Text: "the server does not allow this", Cause: err}
	}
	return nil
}

// unavailable returns a failure of the connection.
func (c *Client) unavailable(err error) *havre.Error {
	why := "the connection was lost"
	dns, isDNS := errors.AsType[*net.DNSError](err)
	op, isOp := errors.AsType[*net.OpError](err)
	_, isRecord := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case isDNS && dns.IsNotFound:
		why = "no machine has this name"
	case isRecord:
		why = "what answers there does not speak TLS; is the port right?"
	case errors.Is(err, syscall.ECONNREFUSED):
		why = "nothing listens there; is the server running, and is the port right?"
	case isTimeout(err):
		why = "no answer came; are both machines connected, and does a firewall stand between?"
	case isOp && op.Op == "dial":
		why = "it cannot be reached from here; is this machine connected?"
	}
	return &havre.Error{Code: havre.CodeUnavailable, Text: fmt.Sprintf("server %s: %s", c.opts.Address, why), Cause: err}
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout() || errors.Is(err, errSilent)
}

// errSilent ends what has stood still for too long.
var errSilent = errors.New("nothing moved for too long")
