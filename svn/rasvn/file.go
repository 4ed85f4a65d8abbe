package rasvn

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // it is what the server sends
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"github.com/havre-cloud/havre/svn"
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
	f := &file{repo: r, ctx: ctx, path: path, rev: rev, size: n.Size, sum: md5.New()} //nolint:gosec // as above
	err = r.do(ctx, func(s *session) error {
		params := appendRev(appendString(nil, string(path)), rev)
		answer, err := s.call(ctx, "get-file", append(params, "false true false "...))
		if err != nil {
			return err
		}
		a, err := answer.fields(3)
		if err == nil {
			f.want, err = readMD5(&a[0])
		}
		if err != nil {
			return s.lost(ctx, err)
		}
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
	size    int64
	want    []byte // MD5, nil if the server did not say
	sum     hash.Hash
	skipped bool
	rest    string // of the piece that is being read
	at      int64
	err     error
}

func (f *file) Size() int64 { return f.size }

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
	f.at += int64(n)
	if !f.skipped {
		f.sum.Write(p[:n])
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
		if f.at+int64(len(f.rest)) > f.size {
			f.rest = ""
			f.err = f.session.lost(f.ctx, malformed("/%s has more than the %d bytes that were announced", f.path, f.size))
		}
	}
}

// end reads whether the server has got to its end, and compares.
func (f *file) end() error {
	if _, err := f.session.result(f.ctx); err != nil {
		return translate(err, f.path, f.rev)
	}
	got := f.sum.Sum(nil)
	switch {
	case f.at != f.size:
		return f.session.lost(f.ctx, malformed("/%s ended after %d of %d bytes", f.path, f.at, f.size))
	case f.want != nil && !f.skipped && !bytes.Equal(got, f.want):
		return &svn.ChecksumError{Path: f.path, Want: "md5 " + hex.EncodeToString(f.want), Got: "md5 " + hex.EncodeToString(got)}
	}
	f.release()
	return io.EOF
}

// SkipTo implements svn.File. The server sends everything in any case.
func (f *file) SkipTo(offset int64) error {
	if offset < f.at {
		return errors.New("svn/rasvn: SkipTo backwards")
	}
	if offset == f.at {
		return nil
	}
	f.skipped = true
	_, err := io.CopyN(io.Discard, f, offset-f.at)
	return err
}

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
