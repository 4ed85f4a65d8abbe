package fsfs

import (
	"context"
	"crypto/md5" //nolint:gosec // the format's checksum
	"errors"
	"hash"
	"io"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/svndiff"
)

// file is the contents of a file, window by window. It implements svn.File, for one goroutine.
type file struct {
	ctx    context.Context //nolint:containedctx // an io.Reader has no other way to be cancelled
	repo   *Repository
	chain  *chain
	rep    *rep
	buf    []byte // the current window
	pos    int    // read of buf
	offset int64  // of buf[pos] in the contents
	sum    windowHash
	err    error
}

// Open implements svn.Repository.
//
// Memory does not depend on the size of the file. Where contents have to be checked by their MD5, that
// of larger files is computed in a goroutine of its own, which ends at the end of the contents or with
// Close.
func (r *Repository) Open(ctx context.Context, path svn.Path, rev svn.Revnum) (svn.File, error) {
	if err := r.checkRev(ctx, rev); err != nil {
		return nil, err
	}
	n, err := r.lookup(path, rev)
	if err != nil {
		return nil, err
	}
	if n.kind != svn.KindFile {
		return nil, &svn.NotFileError{Path: path, Rev: rev}
	}
	return r.openFile(ctx, n.text)
}

// openFile opens the contents p, which may be nil for none.
func (r *Repository) openFile(ctx context.Context, p *rep) (*file, error) {
	f := &file{ctx: ctx, repo: r, rep: p}
	if p == nil {
		f.rep, f.err = &rep{}, io.EOF
		return f, nil
	}
	var err error
	if f.chain, err = r.openChain(p); err != nil {
		return nil, err
	}
	if p.expanded < besideSize || !r.byItems(f.chain) {
		f.sum.start(p.expanded)
	}
	return f, nil
}

func (f *file) Size() int64 { return f.rep.expanded }

func (f *file) Read(p []byte) (int, error) {
	if f.pos == len(f.buf) {
		if err := f.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.buf[f.pos:])
	f.pos += n
	f.offset += int64(n)
	return n, nil
}

// WriteTo implements io.WriterTo.
func (f *file) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		n, err := w.Write(f.buf[f.pos:])
		f.pos += n
		f.offset += int64(n)
		total += int64(n)
		if err != nil {
			return total, err
		}
		if err := f.fill(); errors.Is(err, io.EOF) {
			return total, nil
		} else if err != nil {
			return total, err
		}
	}
}

// fill gets the next window that is not empty.
func (f *file) fill() error {
	for f.err == nil {
		if f.err = f.ctx.Err(); f.err != nil {
			break
		}
		buf := f.sum.exchange(f.buf)
		f.buf, f.pos = nil, 0
		out, err := f.chain.next(buf)
		if errors.Is(err, io.EOF) {
			f.err = f.finish()
			break
		}
		if err != nil {
			f.err = err
			break
		}
		f.buf = out
		if len(out) > 0 {
			return nil
		}
	}
	f.sum.stop()
	return f.err
}

// finish compares the checksums at the end of the contents.
func (f *file) finish() error {
	sum := f.sum.stop()
	if sum == nil { // nothing to compare
		sum = f.rep.md5[:]
	}
	if err := f.chain.checkSum(f.rep, sum); err != nil {
		return err
	}
	if i, err := f.chain.checkItems(); err != nil && (i == 0 || !f.unharmed()) {
		return err
	}
	return io.EOF
}

// unharmed says whether the contents are right although an item that they are stored against is damaged:
// newer contents may hide what it has. They are read a second time for that, which must find the same bytes.
func (f *file) unharmed() bool {
	if !f.rep.hasMD5 {
		return false
	}
	c, err := f.repo.openChain(f.rep)
	if err != nil {
		return false
	}
	defer c.close()
	if !f.repo.byItems(c) {
		return false
	}
	h := md5.New() //nolint:gosec // the format's checksum
	for err == nil && f.ctx.Err() == nil {
		var window []byte
		window, err = c.next(nil)
		h.Write(window)
	}
	if !errors.Is(err, io.EOF) || c.checkSum(f.rep, h.Sum(nil)) != nil {
		return false
	}
	_, _ = c.checkItems() // reads the items to their ends
	for i, l := range c.links {
		if l.item.sum != f.chain.links[i].item.sum {
			return false
		}
	}
	return true
}

var errBackwards = errors.New("svn/fsfs: SkipTo behind what was read already, or beyond the end")

// SkipTo implements svn.File. Whole windows are passed over unread where the deltas allow it.
func (f *file) SkipTo(offset int64) error {
	if f.err != nil && !errors.Is(f.err, io.EOF) {
		return f.err
	}
	if offset < f.offset || offset > f.rep.expanded {
		return errBackwards
	}
	for f.offset < offset {
		if rest := int64(len(f.buf) - f.pos); rest > 0 {
			n := min(rest, offset-f.offset)
			f.pos += int(n)
			f.offset += n
			continue
		}
		f.sum.give()
		f.chain.giveItems()
		n, ok, err := f.chain.skipWindow(offset - f.offset)
		if err != nil {
			f.err = err
			return err
		}
		f.offset += n
		if ok {
			continue
		}
		if err := f.fill(); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) Close() error {
	f.sum.stop()
	if f.chain != nil {
		f.chain.close()
	}
	if f.err == nil || errors.Is(f.err, io.EOF) {
		f.err = errFileClosed
	}
	f.buf, f.pos = nil, 0
	return nil
}

var errFileClosed = errors.New("svn/fsfs: the file is closed")

// windowHash computes the MD5 of windows, beside their reader when there are many. Each window's
// buffer is the reader's until it takes the next one.
type windowHash struct {
	h       hash.Hash // nil when there is nothing to check any more
	windows chan []byte
	free    chan []byte
	done    chan struct{}
}

// besideSize is from which size on hashing is done in its own goroutine, in bytes.
const besideSize = 4 * svndiff.MaxView

func (w *windowHash) start(size int64) {
	w.h = md5.New() //nolint:gosec // the format's checksum
	if size < besideSize {
		return
	}
	const ahead = 4
	w.windows = make(chan []byte, ahead)
	w.free = make(chan []byte, ahead+2)
	w.done = make(chan struct{})
	for range ahead {
		w.free <- make([]byte, 0, svndiff.MaxView)
	}
	go func() {
		defer close(w.done)
		for p := range w.windows {
			w.h.Write(p)
			w.free <- p[:0]
		}
	}()
}

// exchange hashes a window that the reader is done with and returns a buffer for the next; nil when any
// will do.
func (w *windowHash) exchange(p []byte) []byte {
	if w.windows == nil {
		if w.h != nil {
			w.h.Write(p)
		}
		return nil
	}
	if cap(p) > 0 {
		w.windows <- p
	}
	return <-w.free
}

// give gives checking up.
func (w *windowHash) give() {
	w.stop()
	w.h = nil
}

// stop ends the goroutine and returns the sum of all; nil when something was skipped.
func (w *windowHash) stop() []byte {
	if w.windows != nil {
		close(w.windows)
		<-w.done
		w.windows = nil
	}
	if w.h == nil {
		return nil
	}
	return w.h.Sum(nil)
}
