package apiclient

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// watch ends a transfer in which nothing moves.
type watch struct {
	c     *Client
	outer context.Context //nolint:containedctx // of the call that the watch belongs to
	ctx   context.Context //nolint:containedctx // for the request
	end   func()
	timer *time.Timer
}

// watch returns a watch that is not running yet. The caller calls end.
func (c *Client) watch(outer context.Context) *watch {
	ctx, cancel := context.WithCancelCause(outer)
	timer := time.AfterFunc(c.opts.Silence, func() { cancel(errSilent) })
	timer.Stop()
	return &watch{c: c, outer: outer, ctx: ctx, timer: timer, end: func() {
		timer.Stop()
		cancel(nil)
	}}
}

// begin says that something should move from now on; again, that it has.
func (w *watch) begin() { w.timer.Reset(w.c.opts.Silence) }

// pause says that it is this side's turn.
func (w *watch) pause() { w.timer.Stop() }

func (w *watch) failure(err error) error {
	if errors.Is(context.Cause(w.ctx), errSilent) && w.outer.Err() == nil {
		err = errSilent
	}
	return w.c.failure(w.outer, err)
}

// segmentReader is the body of an upload's request. It keeps apart what failed here, reading the
// contents, from what failed on the way.
type segmentReader struct {
	r     io.Reader
	watch *watch

	mu   sync.Mutex // guards what follows: the transport may still read when its answer is there
	left int64
	err  error
}

func (s *segmentReader) Read(p []byte) (int, error) {
	s.watch.begin()
	n, err := s.r.Read(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left -= int64(n)
	if errors.Is(err, io.EOF) && s.left > 0 {
		err = io.ErrUnexpectedEOF // the file became shorter
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// failed returns why the contents could not be read, nil if they could.
func (s *segmentReader) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
