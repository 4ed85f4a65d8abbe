package fsfs

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // the format's checksum
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/svndiff"
)

// sharing is what a commit knows of contents that are stored already, so that it can refer to them
// instead of storing them again. It belongs to a protoRev.
type sharing struct {
	// on says that contents are shared at all: from format 4 on, unless db/fsfs.conf says otherwise.
	on bool
	// files and props are the contents and property lists that this commit has written, or refers
	// to. A property list that was looked for in vain is nil.
	files, props map[[20]byte]*rep
	// fresh are those that it has written; their revision is not known yet.
	fresh []SharedRep
	// wrong are rows of the rep-cache which say what is not so.
	wrong []SharedRep
	// deaf says that the rep-cache does not answer.
	deaf bool
}

func newSharing(on bool) sharing {
	return sharing{on: on, files: map[[20]byte]*rep{}, props: map[[20]byte]*rep{}}
}

// shareContents returns what a node-revision is to refer to for contents that were just written
// behind the mark: equal ones that are there already, in which case what was written is taken back,
// or staged.
func (p *protoRev) shareContents(ctx context.Context, staged *rep, mark protoMark) (*rep, error) {
	if !p.sharing.on || len(staged.sha1) != sha1.Size {
		return staged, nil
	}
	sum := [sha1.Size]byte(staged.sha1)
	same := func(old *rep) (bool, error) {
		old.md5, old.hasMD5, old.sha1 = staged.md5, true, staged.sha1
		return p.sameBytes(ctx, old, staged)
	}
	old := p.sharing.files[sum]
	if old != nil {
		// Not the same: a collision of SHA-1, or contents that cannot be read at the moment.
		if ok, err := same(old); !ok || err != nil {
			return staged, ctx.Err()
		}
		return p.share(old, mark)
	}
	old, err := p.older(ctx, sum, staged.expanded, same, itemFileRep)
	if err != nil {
		return nil, err
	}
	if old == nil {
		p.sharing.files[sum] = staged
		p.noteFresh(sum, staged)
		return staged, nil
	}
	p.sharing.files[sum] = old
	return p.share(old, mark)
}

// minSharedProps is from how many bytes on property lists are looked for in the rep-cache, and put
// there. Sharing a shorter one saves less than its row takes, and many are different for each file.
const minSharedProps = 256

// shareProps looks for a property list in older revisions, before the lock is taken.
func (p *protoRev) shareProps(ctx context.Context, props svn.Props) error {
	if !p.sharing.on || len(props) == 0 {
		return nil
	}
	text := encodeProps(props)
	if len(text) < minSharedProps {
		return nil
	}
	sum := sha1.Sum(text) //nolint:gosec // the format's checksum
	if _, known := p.sharing.props[sum]; known {
		return nil
	}
	old, err := p.older(ctx, sum, int64(len(text)), func(old *rep) (bool, error) {
		got, err := p.repo.readRep(old)
		return bytes.Equal(got, text), err
	}, itemFileProps, itemDirProps)
	if old != nil {
		old.describe(text, p.format)
	}
	p.sharing.props[sum] = old
	return err
}

// describe fills in what a reference to a property list says of its text.
func (r *rep) describe(text []byte, f format) {
	r.expanded, r.md5, r.hasMD5 = int64(len(text)), md5Of(text), true
	if f.number < 8 {
		// Before format 8 the uniquifier can only be written together with it.
		sum := sha1.Sum(text) //nolint:gosec // the format's checksum
		r.sha1 = sum[:]
	}
}

// noteFresh remembers to put a representation that was written into the rep-cache.
func (p *protoRev) noteFresh(sum [20]byte, r *rep) {
	p.sharing.fresh = append(p.sharing.fresh, SharedRep{
		SHA1: sum, Rev: svn.InvalidRevnum, Item: r.at.item, Size: r.size, Expanded: r.expanded,
	})
}

// older returns the representation that the rep-cache has for contents with a SHA-1 and a size; nil when
// there is none. It has to be of one of the kinds, and same has to find that its contents are the same:
// the database may be of another time than the repository, or be damaged.
func (p *protoRev) older(ctx context.Context, sum [20]byte, expanded int64, same func(*rep) (bool, error), kinds ...itemType) (*rep, error) {
	row, ok, err := p.findRow(ctx, sum)
	if !ok || err != nil {
		return nil, err
	}
	old := &rep{at: itemID{row.Rev, row.Item}, size: row.Size, expanded: row.Expanded}
	ok = row.Rev >= 0 && row.Item >= 0 && row.Size >= 0 && row.Expanded == expanded
	if ok {
		ok, err = p.repo.isRep(old, kinds)
	}
	if ok && err == nil {
		ok, err = same(old)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if ok && err == nil {
		return old, nil
	}
	// What cannot be read for other reasons than damage says nothing of the row.
	if err == nil || ignoreDamage(err) == nil {
		p.sharing.wrong = append(p.sharing.wrong, row)
	}
	return nil, nil
}

// findRow asks the rep-cache.
func (p *protoRev) findRow(ctx context.Context, sum [20]byte) (row SharedRep, ok bool, err error) {
	if p.sharing.deaf {
		return row, false, nil
	}
	row, ok, usable := p.repo.notes.find(ctx, sum)
	p.sharing.deaf = !usable
	if !ok {
		return row, false, ctx.Err()
	}
	if int64(row.Rev) > p.repo.youngest.Load() {
		youngest, err := p.repo.readCurrent()
		if err != nil {
			return row, false, err
		}
		if row.Rev > youngest {
			p.repo.notes.beyond()
			return row, false, nil
		}
	}
	return row, true, nil
}

// isRep says whether a representation of one of the kinds and of exactly its size is stored where
// p says. With physical addressing all kinds look alike.
func (r *Repository) isRep(p *rep, kinds []itemType) (bool, error) {
	f, err := r.acquire(p.at.rev)
	if err != nil {
		return false, err
	}
	defer f.release()
	start, err := r.offset(f, p.at)
	if err != nil {
		return false, err
	}
	h, _, at, err := r.openRep(f, p.at, p.size)
	if err != nil || h.plain && p.size != p.expanded {
		return false, err
	}
	if f.p2l != nil {
		e, err := r.describeItem(f, start)
		if err != nil || e.rev != p.at.rev || e.item != p.at.item || start+e.size != at+p.size+int64(len(repEnd)) {
			return false, err
		}
		return slices.Contains(kinds, e.kind), nil
	}
	end := make([]byte, len(repEnd))
	if f.end-at-p.size < int64(len(end)) {
		return false, nil
	}
	if _, err := f.file.ReadAt(end, at+p.size); err != nil {
		return false, f.readError(at+p.size, err)
	}
	return string(end) == repEnd, nil
}

// sameBytes compares contents: either of a revision, or of the proto-revision when theirs is
// svn.InvalidRevnum. The checksums are equal already; but they are made to collide.
func (p *protoRev) sameBytes(ctx context.Context, a, b *rep) (bool, error) {
	left, err := p.openContents(ctx, a)
	if err != nil {
		return false, err
	}
	defer func() { _ = left.Close() }() // it was only read
	right, err := p.openContents(ctx, b)
	if err != nil {
		return false, err
	}
	defer func() { _ = right.Close() }() // it was only read
	size := min(max(a.expanded, b.expanded)+1, svndiff.MaxView)
	bufs := [2][]byte{make([]byte, size), make([]byte, size)}
	for {
		n, err := readFull(left, bufs[0])
		if err != nil {
			return false, err
		}
		m, err := readFull(right, bufs[1])
		if err != nil || !bytes.Equal(bufs[0][:n], bufs[1][:m]) {
			return false, err
		}
		if int64(n) < size {
			return true, nil
		}
	}
}

// readFull reads until buf is full or the contents end.
func readFull(r io.Reader, buf []byte) (int, error) {
	n, err := io.ReadFull(r, buf)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return n, err
}

func (p *protoRev) openContents(ctx context.Context, r *rep) (*file, error) {
	if r.at.rev != svn.InvalidRevnum {
		return p.repo.openFile(ctx, r)
	}
	start := r.at.item
	if p.format.logical {
		start = p.offsets[r.at.item]
	}
	buf := make([]byte, min(maxRepHeader, p.size-start))
	if _, err := p.ReadAt(buf, start); err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(buf, []byte{'\n'})
	h, ok := parseRepHeader(line)
	if !ok || h.plain {
		return nil, fmt.Errorf("%s: contents written at byte %d are not there", p.file.Name(), start)
	}
	at := start + int64(len(line)) + 1
	c := &chain{rep: r}
	// Nobody else knows this revFile: it is released, and nothing happens.
	c.add(&revFile{name: p.file.Name(), cache: p.repo.files, refs: 1}, at, r.size, io.NewSectionReader(p, at, r.size))
	if h.base != nil {
		if err := p.repo.follow(c, *h.base, h.baseSize); err != nil {
			c.close()
			return nil, err
		}
	}
	return &file{ctx: ctx, chain: c, rep: r}, nil
}

// ReadAt implements io.ReaderAt for what was written.
func (p *protoRev) ReadAt(buf []byte, at int64) (int, error) {
	n := 0
	if at < p.written {
		if err := p.settle(); err != nil {
			return 0, err
		}
		var err error
		n, err = p.file.ReadAt(buf[:min(int64(len(buf)), p.written-at)], at)
		if err != nil {
			return n, err
		}
	}
	if rest := at + int64(n) - p.written; rest >= 0 && rest < int64(len(p.buf)) {
		n += copy(buf[n:], p.buf[rest:])
	}
	if n < len(buf) {
		return n, io.EOF
	}
	return n, nil
}
