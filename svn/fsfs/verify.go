package fsfs

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // the format's checksum
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/havre-cloud/havre/svn"
)

// Info is what a repository is like.
type Info struct {
	Format  int  // db/format, 1 to 8
	Shard   int  // revisions in a directory, 0 for the linear layout
	Logical bool // addressing by an index, from format 7 on
	// Packed is how many revisions are in packs: all below this number.
	Packed   svn.Revnum
	Youngest svn.Revnum
}

// Info returns what the repository is like now.
func (r *Repository) Info(ctx context.Context) (Info, error) {
	youngest, err := r.Youngest(ctx)
	if err != nil {
		return Info{}, err
	}
	if err := r.readMinUnpacked(); err != nil {
		return Info{}, err
	}
	f := r.format.Load()
	return Info{Format: f.number, Shard: int(f.shard), Logical: f.logical, Packed: svn.Revnum(r.minUnpacked.Load()), Youngest: youngest}, nil
}

// Verify reads all of the revisions from first to last and compares every checksum and every reference: the items
// of revision files with their index, revision properties, the list of changed paths with the two trees, the contents of all
// files that changed with their MD5 and SHA-1, and the directories. Several revisions are read side by side.
//
// checked is called after each revision, in no order, with what is wrong with it or nil; one call at a time. What it returns ends
// the verification, and is returned.
func (r *Repository) Verify(ctx context.Context, first, last svn.Revnum, checked func(rev svn.Revnum, err error) error) error {
	if err := r.checkRev(ctx, max(first, last)); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	next.Store(int64(first))
	var mu sync.Mutex // one call of checked at a time
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for ctx.Err() == nil {
				rev := svn.Revnum(next.Add(1) - 1)
				if rev > last {
					return
				}
				err := r.verify(ctx, rev)
				if ctx.Err() != nil {
					return
				}
				mu.Lock()
				err = checked(rev, err)
				mu.Unlock()
				if err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// verify checks one revision.
func (r *Repository) verify(ctx context.Context, rev svn.Revnum) error {
	if _, err := r.revProps(rev); err != nil {
		return err
	}
	if err := r.verifyItems(ctx, rev); err != nil {
		return err
	}
	root, err := r.root(rev)
	if err != nil {
		return err
	}
	if root.id.at.rev != rev || root.kind != svn.KindDir {
		return r.wrong(rev, "a root directory of its own", root.id.String())
	}
	changes, err := r.changes(rev)
	if err != nil {
		return err
	}
	done := map[itemID]bool{}
	for i := range changes {
		if err := r.verifyChange(ctx, rev, &changes[i], done); err != nil {
			return err
		}
	}
	return r.verifyDir(ctx, root, rev, done)
}

// wrong is a CorruptError about a revision as a whole.
func (r *Repository) wrong(rev svn.Revnum, want, got string) error {
	f, err := r.acquire(rev)
	if err != nil {
		return err
	}
	defer f.release()
	return f.corrupt(f.start, want, got)
}

// verifyItems compares all items of a revision's file with the index of the file. That of a pack is
// checked once, with the first revision in it.
func (r *Repository) verifyItems(ctx context.Context, rev svn.Revnum) error {
	f, err := r.acquire(rev)
	if err != nil {
		return err
	}
	defer f.release()
	if f.p2l == nil || f.key.rev != rev {
		return nil
	}
	buf := make([]byte, 64<<10)
	covered := int64(0)
	for page := range len(f.p2l.pages) - 1 {
		items, err := r.p2lPage(f, page)
		if err != nil {
			return err
		}
		for _, e := range items {
			if err := ctx.Err(); err != nil {
				return err
			}
			if e.offset < covered {
				continue // it began in the page before
			}
			if e.kind == itemUnused && e.offset == covered {
				end := covered + min(e.size, f.end-covered) // up to the end of a page, which the last one has not
				if err := f.verifyUnused(covered, end, buf); err != nil {
					return err
				}
				covered = end
				continue
			}
			if e.offset != covered || e.size > f.end-e.offset {
				return f.corrupt(covered, "an item in the index", fmt.Sprintf("one of %d bytes at byte %d", e.size, e.offset))
			}
			covered += e.size
			if err := r.verifyItem(f, e, buf); err != nil {
				return err
			}
		}
	}
	if covered < f.end {
		return f.corrupt(covered, "an item in the index", "none")
	}
	return nil
}

// verifyUnused checks that the bytes between two items are zero: nothing else says that they are whole.
func (f *revFile) verifyUnused(at, end int64, buf []byte) error {
	for at < end {
		n := min(int64(len(buf)), end-at)
		if _, err := f.file.ReadAt(buf[:n], at); err != nil {
			return f.readError(at, err)
		}
		if i := bytes.IndexFunc(buf[:n], func(c rune) bool { return c != 0 }); i >= 0 {
			return f.corrupt(at+int64(i), "0 between two items", fmt.Sprintf("%#x", buf[i]))
		}
		at += n
	}
	return nil
}

func (r *Repository) verifyItem(f *revFile, e p2lEntry, buf []byte) error {
	sum := newItemSum()
	for at, end := e.offset, e.offset+e.size; at < end; {
		n := min(int64(len(buf)), end-at)
		if _, err := f.file.ReadAt(buf[:n], at); err != nil {
			return f.readError(at, err)
		}
		sum.write(buf[:n])
		at += n
	}
	if got := sum.sum(); got != e.sum {
		return f.corrupt(e.offset, fmt.Sprintf("an item with checksum %08x", e.sum), fmt.Sprintf("%08x", got))
	}
	at, err := r.offset(f, itemID{e.rev, e.item})
	if err == nil && at != e.offset {
		err = f.corrupt(e.offset, fmt.Sprintf("item %d of r%d, which the other index has at byte %d", e.item, e.rev, at), "it here")
	}
	return err
}

// verifyChange compares an entry of the list of changed paths with the trees.
func (r *Repository) verifyChange(ctx context.Context, rev svn.Revnum, c *svn.PathChange, done map[itemID]bool) error {
	n, err := r.lookup(c.Path, rev)
	if _, missing := errors.AsType[*svn.NotFoundError](err); missing {
		n, err = nil, nil
	}
	if err != nil {
		return err
	}
	listed := fmt.Sprintf("/%s as the list of changed paths has it (%c)", c.Path, c.Action)
	switch {
	case c.Action == svn.ActionDelete:
		if n != nil {
			return r.wrong(rev, listed, "a node")
		}
		return nil
	case n == nil:
		return r.wrong(rev, listed, "nothing")
	case c.Kind != svn.KindNone && c.Kind != n.kind:
		return r.wrong(rev, listed, "a "+n.kind.String())
	}
	if c.CopyFrom != nil {
		if _, err := r.lookup(c.CopyFrom.Path, c.CopyFrom.Rev); err != nil {
			return r.wrong(rev, fmt.Sprintf("/%s copied from /%s@%d", c.Path, c.CopyFrom.Path, c.CopyFrom.Rev), err.Error())
		}
	}
	return r.verifyNode(ctx, n, done)
}

// verifyNode reads the properties and the contents of a node.
func (r *Repository) verifyNode(ctx context.Context, n *nodeRev, done map[itemID]bool) error {
	if done[n.id.at] {
		return nil
	}
	done[n.id.at] = true
	if _, err := r.nodeProps(n); err != nil {
		return err
	}
	if n.kind == svn.KindDir {
		_, err := r.directory(n)
		return err
	}
	f, err := r.openFile(ctx, n.text)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	if n.text == nil {
		return nil
	}
	if f.sum.h == nil {
		f.sum.start(n.text.expanded) // the MD5, even where reading is content with the item's checksum
	}
	if n.text.sha1 == nil {
		_, err := io.Copy(io.Discard, f)
		return err
	}
	h := sha1.New() //nolint:gosec // the format's checksum
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := h.Sum(nil); !bytes.Equal(got, n.text.sha1) {
		return r.corruptRep(n.text, fmt.Sprintf("contents with SHA-1 %x", n.text.sha1))
	}
	return nil
}

// verifyDir reads the directories that the revision made, and that what they name is there. What is older was looked at
// with its own revision.
func (r *Repository) verifyDir(ctx context.Context, n *nodeRev, rev svn.Revnum, done map[itemID]bool) error {
	dir, err := r.directory(n)
	if err != nil {
		return err
	}
	if _, err := r.nodeProps(n); err != nil {
		return err
	}
	for i := range dir.len() {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, _, id, ok := dir.entry(i)
		if !ok || id.at.rev > rev {
			return r.corruptRep(n.text, "entries that are not newer than the directory")
		}
		if id.at.rev != rev {
			continue
		}
		kid, err := r.entry(n, dir, i)
		if err != nil {
			return err
		}
		if kid.kind == svn.KindDir {
			err = r.verifyDir(ctx, kid, rev, done)
		} else {
			err = r.verifyNode(ctx, kid, done)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
