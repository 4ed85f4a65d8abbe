package apiclient

import (
	"context"
	"errors"
	"iter"
	"time"

	"connectrpc.com/connect"

	"github.com/havre-cloud/havre/internal/api/havrev1"
	"github.com/havre-cloud/havre/internal/api/wire"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// stream is what this package uses of connect.ServerStreamForClient.
type stream[T any] interface {
	Receive() bool
	Msg() *T
	Err() error
	Close() error
}

// each opens a stream and calls fn with its messages until it ends. It is lost when no message
// comes for opts.Silence while one is waited for.
func each[T any](ctx context.Context, c *Client, open func(context.Context) (stream[T], error), fn func(*T) error) error {
	outer := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(c.opts.Silence, func() { cancel(errSilent) })
	defer watch.Stop()
	fail := func(err error) error {
		if errors.Is(context.Cause(ctx), errSilent) && outer.Err() == nil {
			err = errSilent
		}
		return c.failure(outer, err)
	}
	s, err := open(ctx)
	if err != nil {
		return fail(err)
	}
	defer func() {
		cancel(nil) // first, so that closing does not wait for the rest
		_ = s.Close()
	}()
	for s.Receive() {
		watch.Stop() // fn may take its time
		if err := fn(s.Msg()); err != nil {
			return err
		}
		watch.Reset(c.opts.Silence)
	}
	return fail(s.Err())
}

// errStop ends each from within, where the consumer of an iterator does not want more.
var errStop = errors.New("stop")

// List yields the tree of the scope at rev.
func (c *Client) List(ctx context.Context, scope havre.Scope, rev svn.Revnum, after svn.Path) iter.Seq2[havre.Item, error] {
	return func(yield func(havre.Item, error) bool) {
		open := func(ctx context.Context) (stream[havrev1.ListResponse], error) {
			return c.sync.List(ctx, connect.NewRequest(&havrev1.ListRequest{
				Scope: wire.Scope(scope), Revision: int64(rev), After: string(after),
			}))
		}
		err := each(ctx, c, open, func(m *havrev1.ListResponse) error {
			for _, i := range m.GetItems() {
				item, err := wire.DecodeItem(i)
				if err != nil {
					return err
				}
				if !yield(item, nil) {
					return errStop
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(havre.Item{}, err)
		}
	}
}

// Follow calls fn with each revision after since, until ctx is done, fn fails, or the connection is
// lost. It never returns nil.
func (c *Client) Follow(ctx context.Context, scope havre.Scope, since svn.Revnum, repository string, fn func(*havre.Revision) error) error {
	open := func(ctx context.Context) (stream[havrev1.FollowResponse], error) {
		return c.sync.Follow(ctx, connect.NewRequest(&havrev1.FollowRequest{
			Scope: wire.Scope(scope), Since: int64(since), Repository: repository,
		}))
	}
	err := each(ctx, c, open, func(m *havrev1.FollowResponse) error {
		if m.GetRevision() == nil {
			return nil // a heartbeat, or something that only later versions know
		}
		r, err := wire.DecodeRevision(m.GetRevision())
		if err != nil {
			return err
		}
		return fn(r)
	})
	if err == nil { // the server never ends it of its own accord, whatever stands between may
		return c.unavailable(errors.New("the stream ended"))
	}
	return err
}

// Fetch calls fn with the contents of each file.
func (c *Client) Fetch(ctx context.Context, scope havre.Scope, files []havre.FileVersion, fn func(i int, content []byte, err error) error) error {
	for first := 0; first < len(files); first += wire.MaxFetch {
		part := files[first:min(first+wire.MaxFetch, len(files))]
		err := c.fetch(ctx, scope, part, func(i int, content []byte, err error) error { return fn(first+i, content, err) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) fetch(ctx context.Context, scope havre.Scope, files []havre.FileVersion, fn func(i int, content []byte, err error) error) error {
	req := &havrev1.FetchRequest{Scope: wire.Scope(scope), Files: make([]*havrev1.FileVersion, len(files))}
	for i, f := range files {
		req.Files[i] = wire.FileVersion(f)
	}
	open := func(ctx context.Context) (stream[havrev1.FetchResponse], error) {
		return c.sync.Fetch(ctx, connect.NewRequest(req))
	}
	next := 0
	err := each(ctx, c, open, func(m *havrev1.FetchResponse) error {
		for _, f := range m.GetFiles() {
			if int(f.GetIndex()) != next || next >= len(files) {
				return &havre.Error{Code: havre.CodeInternal, Text: "the server sent files in another order than asked for"}
			}
			var failed error
			if e := wire.DecodeError(f.GetError()); e != nil {
				failed = e
			}
			if err := fn(next, f.GetContent(), failed); err != nil {
				return err
			}
			next++
		}
		return nil
	})
	if err == nil && next < len(files) {
		return c.unavailable(errors.New("the stream ended before the last file"))
	}
	return err
}

// Chunks lists the content-defined chunks of a file on the server.
func (c *Client) Chunks(ctx context.Context, scope havre.Scope, file havre.FileVersion) ([]havre.Chunk, error) {
	open := func(ctx context.Context) (stream[havrev1.ChunksResponse], error) {
		return c.sync.Chunks(ctx, connect.NewRequest(&havrev1.ChunksRequest{Scope: wire.Scope(scope), File: wire.FileVersion(file)}))
	}
	var list []havre.Chunk
	err := each(ctx, c, open, func(m *havrev1.ChunksResponse) error {
		for _, ch := range m.GetChunks() {
			chunk, err := wire.DecodeChunk(ch)
			if err != nil {
				return err
			}
			list = append(list, chunk)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}
