package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

var (
	errIdle  = errors.New("the answer paused for too long")
	errTotal = errors.New("the answer took too long")
)

// boundedBody is the body of an answer that ends with an error when it pauses or takes for too long. Closing it frees the
// place at the instance.
type boundedBody struct {
	idle    time.Duration
	body    io.ReadCloser
	ctx     context.Context // of the one request whose answer this is
	cancel  context.CancelCauseFunc
	timer   *time.Timer
	total   *time.Timer
	release func()
	once    sync.Once
}

// withBounds returns the request with a context that ends when the bounds are passed or the body is closed.
func withBounds(req *http.Request, idle, total time.Duration, release func()) (*http.Request, *boundedBody) {
	ctx, cancel := context.WithCancelCause(req.Context())
	b := &boundedBody{idle: idle, ctx: ctx, cancel: cancel, release: release}
	b.total = time.AfterFunc(total, func() { cancel(errTotal) })
	return req.Clone(ctx), b
}

func (b *boundedBody) wrap(body io.ReadCloser) {
	b.body = body
	b.timer = time.AfterFunc(b.idle, func() { b.cancel(errIdle) })
}

func (b *boundedBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.idle)
	n, err := b.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		if cause := context.Cause(b.ctx); cause != nil {
			err = cause
		}
	}
	return n, err
}

func (b *boundedBody) Close() error {
	var err error
	b.once.Do(func() {
		b.total.Stop()
		if b.timer != nil {
			b.timer.Stop()
		}
		if b.body != nil {
			err = b.body.Close()
		}
		b.cancel(nil)
		b.release()
	})
	return err
}

// ReadAll reads an answer's body to its end and closes it. More than limit bytes, counted after decompression, are an Error
// with ReasonTooLarge; a body that is cut is one with ReasonDamaged, one that stalls with ReasonDown.
func ReadAll(resp *http.Response, limit int64) ([]byte, error) {
	defer resp.Body.Close()
	if resp.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, bodyError(err)
	}
	if int64(len(data)) > limit {
		return nil, tooLarge(limit)
	}
	return data, nil
}

func tooLarge(limit int64) error {
	return Errorf(ReasonTooLarge, "the answer is larger than %d MB", max(limit/1_000_000, 1))
}

// bodyError explains why a body could not be read to its end.
func bodyError(err error) error {
	switch {
	case errors.Is(err, errIdle), errors.Is(err, errTotal), isTimeout(err):
		return &Error{Reason: ReasonDown, Text: "the answer stalled", Err: err}
	case errors.Is(err, context.Canceled):
		return err
	default:
		return &Error{Reason: ReasonDamaged, Text: "the answer is incomplete", Err: err}
	}
}

// Spooled is an answer's body on disk. It is safe for concurrent reading and is gone when it is closed.
type Spooled struct {
	file *os.File
	size int64
}

// Spool writes an answer's body to a temporary file and closes it. Its errors are those of ReadAll. The caller closes what
// it returns.
func (c *Client) Spool(resp *http.Response, limit int64) (*Spooled, error) {
	defer resp.Body.Close()
	if resp.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	return c.SpoolReader(resp.Body, limit)
}

// SpoolReader is Spool for any reader, which it does not close: what was made of an answer can be large too.
func (c *Client) SpoolReader(r io.Reader, limit int64) (*Spooled, error) {
	file, err := os.CreateTemp(c.options.TempDir, "havre-source-*")
	if err != nil {
		return nil, &Error{Reason: ReasonOurs, Text: "there is no place for a temporary file", Err: err}
	}
	s := &Spooled{file: file}
	reading := &markedReader{r: r}
	s.size, err = io.Copy(file, io.LimitReader(reading, limit+1))
	switch {
	case reading.err != nil:
		err = bodyError(reading.err)
	case err != nil:
		err = &Error{Reason: ReasonOurs, Text: "the answer could not be written to a temporary file", Err: err}
	case s.size > limit:
		err = tooLarge(limit)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// markedReader remembers the error of reading, so that it is told from one of writing.
type markedReader struct {
	r   io.Reader
	err error
}

func (m *markedReader) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		m.err = err
	}
	return n, err
}

// Size returns its length in bytes.
func (s *Spooled) Size() int64 { return s.size }

// ReadAt is io.ReaderAt.
func (s *Spooled) ReadAt(p []byte, off int64) (int, error) { return s.file.ReadAt(p, off) }

// Open returns the content from its beginning, any number of times, as File.Open needs it.
func (s *Spooled) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(s.file, 0, s.size)), nil
}

// Close removes it.
func (s *Spooled) Close() error {
	if s == nil || s.file == nil {
		return nil
	}
	name := s.file.Name()
	err := s.file.Close()
	s.file = nil
	if err := errors.Join(err, os.Remove(name)); err != nil {
		return fmt.Errorf("remove a temporary file: %w", err)
	}
	return nil
}
