package rasvn

import (
	"context"
	"errors"
	"io"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/internal/remote"
)

// Open implements svn.Repository. The file has a connection of its own until it is closed.
func (r *Repository) Open(ctx context.Context, path svn.Path, rev svn.Revnum) (svn.File, error) {
	n, err := r.Stat(ctx, path, rev)
	if err != nil {
		return nil, err
	}
	if n.Kind != svn.KindFile {
		return nil, &svn.NotFileError{Path: path, Rev: rev}
	}
	f := &file{repo: r, ctx: ctx, path: path, rev: rev}
	err = r.do(ctx, func(s *session) error {
		params := appendRev(appendString(nil, string(path)), rev)
		answer, err := s.call(ctx, "get-file", append(params, "false true false "...))
		if err != nil {
			return err
		}
		a, err := answer.fields(3)
		var want []byte
		if err == nil {
			want, err = readMD5(&a[0])
		}
		if err != nil {
			return s.lost(ctx, err)
		}
		f.contents = remote.NewContents(path, n.Size, want)
		f.session, s.held = s, true
		return nil
	})
	if err != nil {
		return nil, r.named(ctx, err, path, rev)
	}
	f.unguard = f.session.guard(ctx)
	return f, nil
}

// file is the contents of a file on their way.
type file struct {
	repo    *Repository
	ctx     context.Context //nolint:containedctx // Read has none, and Open's ends the reading
	session *session
	unguard func()
	path    svn.Path
	rev     svn.Revnum
	rest    string // of the piece that is being read
	err     error

	contents *remote.Contents
}

// Size implements svn.File.
func (f *file) Size() int64 { return f.contents.Size() }

func (f *file) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for f.rest == "" {
		if f.err != nil {
			return 0, f.err
		}
		f.piece()
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	if err := f.contents.Add(p[:n]); err != nil {
		f.rest = ""
		f.err = f.session.lost(f.ctx, malformed("%v", err))
		return 0, f.err
	}
	return n, nil
}

// piece reads the next piece, or the end.
func (f *file) piece() {
	it, err := f.session.next(f.ctx)
	if err == nil {
		err = f.session.lost(f.ctx, it.need(kindString))
	}
	switch {
	case err != nil:
		f.err = err
	case it.text == "":
		f.err = f.end()
	default:
		f.rest = it.text
	}
}

// end reads whether the server has got to its end, and compares.
func (f *file) end() error {
	if _, err := f.session.result(f.ctx); err != nil {
		return translate(err, f.path, f.rev)
	}
	err := f.contents.End()
	if _, short := errors.AsType[*remote.LengthError](err); short {
		return f.session.lost(f.ctx, malformed("%v", err))
	}
	if err != nil {
		return err
	}
	f.release()
	return io.EOF
}

// SkipTo implements svn.File. The server sends everything in any case.
func (f *file) SkipTo(offset int64) error { return f.contents.SkipTo(f, offset) }

// release gives the connection back.
func (f *file) release() {
	if f.session != nil {
		f.unguard()
		f.repo.giveBack(f.session)
		f.session = nil
	}
}

// Close gives the connection back, or up if there is more to come on it.
func (f *file) Close() error {
	if f.session != nil {
		f.session.broken = true
		f.release()
	}
	if f.err == nil {
		f.err = errors.New("svn/rasvn: read from a file that is closed")
	}
	return nil
}
