package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"

	"connectrpc.com/connect"

	"github.com/havre-cloud/havre/internal/api/wire"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

var errStopping = &havre.Error{Code: havre.CodeUnavailable, Text: "the server is stopping; try again in a moment"}

// public returns what the caller may know of err. The rest goes to the log; where that is all there
// is, the caller gets a number by which the operator finds it there.
func (s *server) public(ctx context.Context, what string, err error) *havre.Error {
	if e, ok := errors.AsType[*havre.Error](err); ok && e.Code != havre.CodeInternal {
		if e.Cause != nil {
			s.log.DebugContext(ctx, "request refused", "request", what, "code", e.Code, "error", err)
		}
		return e
	}
	if e := missing(err); e != nil {
		return e
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return errStopping // nobody listens any more, or the server stops
	}
	id := rand.Text()[:8]
	s.log.ErrorContext(ctx, "request failed", "request", what, "id", id, "error", err)
	return &havre.Error{
		Code: havre.CodeInternal,
		Text: "the server failed, and its log says why: look for " + id,
	}
}

// missing returns what a caller gets that asks for what the repository does not have, nil for other
// errors. The path is left out: it is the repository's, not the caller's.
func missing(err error) *havre.Error {
	if _, ok := errors.AsType[*svn.NotFoundError](err); ok {
		return &havre.Error{Code: havre.CodeNotFound, Text: "there is nothing at this path in this revision", Cause: err}
	}
	if e, ok := errors.AsType[*svn.NoSuchRevisionError](err); ok {
		return &havre.Error{Code: havre.CodeNotFound, Text: e.Error(), Cause: err}
	}
	if _, ok := errors.AsType[*svn.NotFileError](err); ok {
		return &havre.Error{Code: havre.CodeInvalid, Text: "this is a directory, which has no contents", Cause: err}
	}
	return nil
}

// failures is the interceptor through which the errors of all procedures go.
type failures struct{ s *server }

func (f failures) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		resp, err := next(ctx, req)
		if err != nil {
			return nil, f.translate(ctx, req.Spec(), err)
		}
		return resp, nil
	}
}

func (f failures) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		if err := next(ctx, conn); err != nil {
			return f.translate(ctx, conn.Spec(), err)
		}
		return nil
	}
}

func (f failures) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next // handlers never come here
}

func (f failures) translate(ctx context.Context, spec connect.Spec, err error) error {
	// What ConnectRPC itself refuses (too large, malformed, gone away) has its own words.
	if ce, ok := errors.AsType[*connect.Error](err); ok {
		return ce
	}
	return wire.ConnectError(f.s.public(ctx, spec.Procedure, err))
}

// rawHandler is a handler of plain HTTP that may fail as long as it has not begun to answer.
type rawHandler func(w http.ResponseWriter, r *http.Request, caller *havre.Caller) error

// raw lets in who has a token, and writes the errors of h as JSON.
func (s *server) raw(h rawHandler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, err := s.door.open(r.Context(), r.RemoteAddr, r.Header)
		if err == nil {
			err = h(w, r, caller)
		}
		if err != nil {
			writeError(w, s.public(r.Context(), r.Method+" "+r.URL.Path, err))
		}
	})
}

func writeError(w http.ResponseWriter, e *havre.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if e.Code == havre.CodeUnauthenticated {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(wire.HTTPStatus(e))
	d := wire.Detail(e)
	// The peer may be gone; there is nobody else to tell.
	_ = json.NewEncoder(w).Encode(errorBody{Code: d.GetCode(), Text: d.GetText()})
}

// errorBody is an ErrorDetail as JSON.
type errorBody struct {
	Code string `json:"code"`
	Text string `json:"text"`
}
