package simtest

import (
	"context"
	"io"
	"iter"
	"maps"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/syncer"
	"github.com/havre-cloud/havre/internal/syncer/syncertest"
	"github.com/havre-cloud/havre/svn"
)

// link is a device's way to the server: slow, and cut at times.
type link struct {
	d      *device
	remote *syncertest.Remote

	// What follows is guarded by d.mu.
	down    bool
	failing int // percent of the calls that fail
	nextID  int
	open    map[int]context.CancelFunc
}

var _ syncer.Remote = (*link)(nil)

func unreachable() error {
	return &havre.Error{Code: havre.CodeUnavailable, Text: "the network is gone"}
}

// set cuts the link or mends it.
func (l *link) set(down bool, failing int) {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.down, l.failing = down, failing
	if down {
		for _, cancel := range maps.All(l.open) {
			cancel()
		}
	}
}

// pass is asked at the beginning of each call, and at its end.
func (l *link) pass(ctx context.Context) error {
	l.d.mu.Lock()
	latency := time.Duration(l.d.r.IntN(20)) * time.Millisecond
	l.d.mu.Unlock()
	select {
	case <-time.After(latency):
	case <-ctx.Done():
		return ctx.Err()
	}
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	if err := l.d.tick(true); err != nil || l.down || l.d.r.IntN(100) < l.failing {
		return unreachable()
	}
	return nil
}

// until returns a context that ends when the link is cut.
func (l *link) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	if l.open == nil {
		l.open = map[int]context.CancelFunc{}
	}
	l.nextID++
	id := l.nextID
	l.open[id] = cancel
	return ctx, func() {
		cancel()
		l.d.mu.Lock()
		defer l.d.mu.Unlock()
		delete(l.open, id)
	}
}

func (l *link) Folders(ctx context.Context) ([]havre.Folder, error) {
	if err := l.pass(ctx); err != nil {
		return nil, err
	}
	return l.remote.Folders(ctx)
}

func (l *link) List(ctx context.Context, scope havre.Scope, rev svn.Revnum, after svn.Path) iter.Seq2[havre.Item, error] {
	return func(yield func(havre.Item, error) bool) {
		for item, err := range l.remote.List(ctx, scope, rev, after) {
			if passErr := l.pass(ctx); passErr != nil {
				yield(havre.Item{}, passErr)
				return
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

func (l *link) Follow(ctx context.Context, scope havre.Scope, since svn.Revnum, repository string, fn func(*havre.Revision) error) error {
	if err := l.pass(ctx); err != nil {
		return err
	}
	inner, cancel := l.until(ctx)
	defer cancel()
	err := l.remote.Follow(inner, scope, since, repository, func(r *havre.Revision) error {
		if err := l.pass(inner); err != nil {
			return err
		}
		return fn(r)
	})
	if inner.Err() != nil && ctx.Err() == nil {
		return unreachable()
	}
	return err
}

func (l *link) Commit(ctx context.Context, scope havre.Scope, c *havre.Commit) (*havre.CommitResult, error) {
	if err := l.pass(ctx); err != nil {
		return nil, err
	}
	res, err := l.remote.Commit(ctx, scope, c)
	if passErr := l.pass(ctx); err == nil && passErr != nil {
		return nil, passErr
	}
	return res, err
}

func (l *link) Fetch(ctx context.Context, scope havre.Scope, files []havre.FileVersion, fn func(i int, content []byte, err error) error) error {
	return l.remote.Fetch(ctx, scope, files, func(i int, content []byte, err error) error {
		if passErr := l.pass(ctx); passErr != nil {
			return passErr
		}
		return fn(i, content, err)
	})
}

func (l *link) Open(ctx context.Context, scope havre.Scope, file havre.FileVersion, offset int64) (io.ReadCloser, error) {
	if err := l.pass(ctx); err != nil {
		return nil, err
	}
	rc, err := l.remote.Open(ctx, scope, file, offset)
	if err != nil {
		return nil, err
	}
	return &stream{rc, l, ctx}, nil
}

// stream is contents on their way.
type stream struct {
	io.ReadCloser
	l   *link
	ctx context.Context //nolint:containedctx // a Read has none
}

func (s *stream) Read(b []byte) (int, error) {
	if err := s.l.pass(s.ctx); err != nil {
		return 0, err
	}
	return s.ReadCloser.Read(b)
}

func (l *link) Upload(ctx context.Context, scope havre.Scope, content io.ReaderAt, size int64, resume havre.UploadID, began func(havre.UploadID)) (havre.UploadID, error) {
	if err := l.pass(ctx); err != nil {
		return "", err
	}
	id, err := l.remote.Upload(ctx, scope, content, size, resume, began)
	if passErr := l.pass(ctx); err == nil && passErr != nil {
		return "", passErr
	}
	return id, err
}

func (l *link) Chunks(ctx context.Context, scope havre.Scope, file havre.FileVersion) ([]havre.Chunk, error) {
	if err := l.pass(ctx); err != nil {
		return nil, err
	}
	return l.remote.Chunks(ctx, scope, file)
}
