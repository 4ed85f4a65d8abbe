package api

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// unstall gives each piece of a request and each piece of an answer a time limit, which a limit for
// the whole of either, as http.Server has it, would not allow for streams and large files.
func unstall(next http.Handler, limit time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		// What the handler leaves unread of a request net/http reads after it, if it is not much:
		// that needs a limit too. It is lifted before the connection's next request.
		defer func() {
			if b, ok := r.Body.(*body); ok && !b.ended {
				_ = c.SetReadDeadline(time.Now().Add(limit))
			}
		}()
		if r.Body != nil && r.Body != http.NoBody {
			// A copy of r: net/http looks at the body of its own at the end, and would
			// ask a client that waits for "100 Continue" for contents that nobody reads.
			r = r.WithContext(r.Context())
			r.Body = &body{ReadCloser: r.Body, control: c, limit: limit}
		}
		next.ServeHTTP(&response{ResponseWriter: w, control: c, limit: limit}, r)
	})
}

// bodyError says that a request ended before its end.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "the request's contents: " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

type body struct {
	io.ReadCloser

	control *http.ResponseController
	limit   time.Duration
	ended   bool // read to its end
}

func (b *body) Read(p []byte) (int, error) {
	// A deadline is only there during the read: in HTTP/1.1 it would hit the wait for the
	// connection's end too, and so end a request of which the answer takes long. A writer
	// without deadlines, as in tests, has none.
	_ = b.control.SetReadDeadline(time.Now().Add(b.limit))
	n, err := b.ReadCloser.Read(p)
	_ = b.control.SetReadDeadline(time.Time{})
	switch {
	case errors.Is(err, io.EOF):
		b.ended = true
	case err != nil:
		err = &bodyError{err}
	}
	return n, err
}

type response struct {
	http.ResponseWriter

	control *http.ResponseController
	limit   time.Duration
}

func (w *response) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.limit))
	n, err := w.ResponseWriter.Write(p)
	_ = w.control.SetWriteDeadline(time.Time{})
	return n, err
}

// Flush and FlushError are how streams send what they have.
func (w *response) Flush() { _ = w.FlushError() }

func (w *response) FlushError() error {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.limit))
	err := w.control.Flush()
	_ = w.control.SetWriteDeadline(time.Time{})
	return err
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
