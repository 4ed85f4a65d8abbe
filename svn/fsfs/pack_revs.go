package fsfs

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"

	"github.com/havre-cloud/havre/svn"
)

const (
	// packBatch is how much of a shard is in memory at once to be put in order, in bytes.
	packBatch = 32 << 20
	// packItems is how many items that may be: each takes some 200 bytes.
	packItems = 1 << 18
)

// revPacker writes the revisions of a shard into one file.
type revPacker struct {
	repo  *Repository
	first svn.Revnum
	end   svn.Revnum // behind the last
	batch int64      // packBatch
	out   *spool
	// pushed is up to where the system was told to write.
	pushed int64
	// manifest has the line of each revision; physical addressing.
	manifest []byte
	index    *packIndexes // logical addressing
	// done is called after each revision with what is known of its file.
	done func(fs.FileInfo)
}

func (p *revPacker) discard() {
	p.out.discard()
	if p.index != nil {
		p.index.discard()
	}
}

// run writes the pack. Nobody but us knows of it yet.
func (p *revPacker) run(ctx context.Context, logical bool) error {
	var err error
	if p.out, err = p.repo.newSpool(".pack"); err != nil {
		return err
	}
	if !logical {
		err = p.concatenate(ctx)
	} else {
		err = p.arrange(ctx)
	}
	if err != nil {
		return err
	}
	if err := p.out.buf.Flush(); err != nil {
		return err
	}
	if err := p.repo.at("sync pack"); err != nil {
		return err
	}
	return syncFile(p.out.file)
}

// concatenate writes one revision file after the other: with physical addressing an item's number
// is its offset in the revision.
func (p *revPacker) concatenate(ctx context.Context) error {
	for rev := p.first; rev < p.end; rev++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := p.open(rev)
		if err != nil {
			return err
		}
		p.manifest = fmt.Appendf(p.manifest, "%d\n", p.out.size)
		size := f.end - f.start
		n, err := io.Copy(p.out, io.NewSectionReader(f.file, f.start, size))
		if err == nil && n != size {
			err = f.readError(f.start+n, io.ErrUnexpectedEOF)
		}
		if err == nil {
			err = p.written(f)
		}
		f.release()
		if err != nil {
			return err
		}
	}
	return nil
}

// errPackedMeanwhile says that somebody else has packed the shard.
var errPackedMeanwhile = errors.New("packed meanwhile")

// open returns the file of a revision that is not packed. The caller releases it.
func (p *revPacker) open(rev svn.Revnum) (*revFile, error) {
	f, err := p.repo.acquire(rev)
	if err == nil && f.key.packed {
		f.release()
		return nil, errPackedMeanwhile
	}
	return f, err
}

// written tells of a revision, and has the system begin to write.
func (p *revPacker) written(f *revFile) error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	if p.out.size-p.pushed >= writebackEvery {
		startWriteback(p.out.file, p.pushed, p.out.size-p.pushed)
		p.pushed = p.out.size
	}
	p.done(info)
	return nil
}

// arrange writes the items of all revisions in the order in which they are read together. What log
// and tree walks need comes first, without the contents of files between:
//
//	lists of changed paths, by revision
//	directories and properties, by path, the newest first
//	node-revisions, the same
//	contents of files, the same: a version and what its delta is against are neighbours
//
// The numbers of the items stay, so that no reference changes. Where a shard does not fit into
// memory this is done in several batches, and a revision that is too large by itself is taken as it is.
func (p *revPacker) arrange(ctx context.Context) error {
	var err error
	if p.index, err = p.repo.newPackIndexes(p.first); err != nil {
		return err
	}
	b := &packedBatch{}
	for rev := p.first; rev < p.end; rev++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := p.open(rev)
		if err != nil {
			return err
		}
		// An entry of the P2L index takes at least 4 bytes.
		large := f.end > p.batch || f.p2l.pages[len(f.p2l.pages)-1]-f.p2l.pages[0] > 4*packItems
		if large || int64(len(b.data))+f.end > p.batch || len(b.items) > packItems {
			err = p.place(b)
		}
		if err == nil && large {
			err = p.takeWhole(ctx, f, rev)
		} else if err == nil {
			err = p.repo.gather(f, rev, b)
		}
		if err == nil {
			err = p.written(f)
		}
		f.release()
		if err != nil {
			return err
		}
	}
	if err := p.place(b); err != nil {
		return err
	}
	return p.index.finish(p.out)
}

// packedBatch is what some consecutive revisions consist of.
type packedBatch struct {
	data  []byte
	items []packItem
	// offsets has for each revision those of its items in the pack; -1 for one that does not exist.
	offsets [][]int64
	first   svn.Revnum // of offsets
	// paths has where a representation was written, as far as the batch tells.
	paths map[itemID]svn.Path
}

// packItem is an item and what it is put in order by.
type packItem struct {
	p2lEntry            // offset is in the batch's data
	path     svn.Path   // of the node it belongs to
	class    packedPart // where in the pack
}

type packedPart byte

const (
	partChanges packedPart = iota
	partMeta
	partNodes
	partFiles
)

func partOf(kind itemType) packedPart {
	switch kind {
	case itemChanges:
		return partChanges
	case itemDirRep, itemDirProps, itemFileProps:
		return partMeta
	case itemNodeRev:
		return partNodes
	default:
		return partFiles
	}
}

// gather reads all items of a revision. What is not as its checksum says is not packed: it can be
// mended more easily as it is.
func (r *Repository) gather(f *revFile, rev svn.Revnum, b *packedBatch) error {
	if len(b.offsets) == 0 {
		b.first, b.paths = rev, map[itemID]svn.Path{}
	}
	start := len(b.data)
	b.data = slices.Grow(b.data, int(f.end))[:start+int(f.end)]
	data := b.data[start:]
	if _, err := f.file.ReadAt(data, 0); err != nil {
		return f.readError(0, err)
	}
	_, _, count, err := f.l2pPagesOf(rev)
	if err != nil {
		return err
	}
	offsets := make([]int64, count)
	for i := range offsets {
		offsets[i] = -1
	}
	b.offsets = append(b.offsets, offsets)
	for e, err := range r.itemsOf(f, rev) {
		if err != nil {
			return err
		}
		if e.kind == itemUnused {
			continue
		}
		text := data[e.offset : e.offset+e.size]
		sum := newItemSum()
		sum.write(text)
		if got := sum.sum(); got != e.sum {
			return f.corrupt(e.offset, fmt.Sprintf("an item with checksum %08x", e.sum), fmt.Sprintf("%08x", got))
		}
		item := packItem{p2lEntry: e, class: partOf(e.kind)}
		if e.kind == itemNodeRev {
			fields, _, _ := bytes.Cut(text, []byte("\n\n"))
			n, reason := parseNodeRev(fields)
			if reason != "" {
				return f.corrupt(e.offset, reason, fmt.Sprintf("%.60q", text))
			}
			item.path = n.path
			b.place(n)
		}
		item.offset += int64(start)
		b.items = append(b.items, item)
	}
	return nil
}

// place notes to which path the representations of a node-revision belong.
func (b *packedBatch) place(n *nodeRev) {
	for _, rep := range []*rep{n.text, n.props} {
		if rep == nil || rep.at.rev < b.first {
			continue
		}
		if _, known := b.paths[rep.at]; !known {
			b.paths[rep.at] = n.path
		}
	}
}

// l2pPagesOf returns the pages that the index has of a revision, and of how many items they tell.
func (f *revFile) l2pPagesOf(rev svn.Revnum) (first, end, items int, err error) {
	i := rev - f.index.first
	if i < 0 || int(i) >= len(f.index.firstPage)-1 {
		return 0, 0, 0, f.corrupt(f.end, fmt.Sprintf("an index of r%d", rev), fmt.Sprintf("one from r%d on", f.index.first))
	}
	first, end = int(f.index.firstPage[i]), int(f.index.firstPage[i+1])
	for n, page := range f.index.pages[first:end] {
		if int64(page.entries) != f.index.pageSize && first+n+1 < end {
			return 0, 0, 0, f.corrupt(page.offset, "a full page of an L2P index before the last", fmt.Sprintf("%d entries", page.entries))
		}
		items += int(page.entries)
	}
	return first, end, items, nil
}

// itemsOf yields the items of an unpacked revision in the order of their offsets, and the unused
// bytes between them, so that every byte is covered once. Both indexes have to agree about each.
func (r *Repository) itemsOf(f *revFile, rev svn.Revnum) iter.Seq2[p2lEntry, error] {
	return func(yield func(p2lEntry, error) bool) {
		covered := int64(0)
		for page := range len(f.p2l.pages) - 1 {
			items, err := r.p2lPage(f, page)
			if err != nil {
				yield(p2lEntry{}, err)
				return
			}
			for _, e := range items {
				if e.kind == itemUnused {
					e.size = min(e.size, f.end-covered) // the last goes to the end of the page
				}
				err := r.checkEntry(f, rev, e, covered)
				if err == nil && e.size == 0 {
					continue
				}
				covered = e.offset + e.size
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
		if covered < f.end {
			yield(p2lEntry{}, f.corrupt(covered, "an item in the index", "none"))
		}
	}
}

// checkEntry checks an entry of the P2L index, before which the items cover so many bytes.
func (r *Repository) checkEntry(f *revFile, rev svn.Revnum, e p2lEntry, covered int64) error {
	if e.offset != covered || e.size > f.end-covered {
		return f.corrupt(covered, "an item in the index", fmt.Sprintf("one of %d bytes at byte %d", e.size, e.offset))
	}
	if e.kind == itemUnused {
		return nil
	}
	if e.size == 0 {
		return f.corrupt(covered, "an item", "no bytes")
	}
	if e.rev != rev {
		return f.corrupt(covered, fmt.Sprintf("an item of r%d", rev), fmt.Sprintf("one of r%d", e.rev))
	}
	at, err := r.offset(f, itemID{e.rev, e.item})
	if err == nil && at != e.offset {
		err = f.corrupt(e.offset, fmt.Sprintf("item %d of r%d, which the other index has at byte %d", e.item, e.rev, at), "it here")
	}
	return err
}

// place writes a batch, and empties it.
func (p *revPacker) place(b *packedBatch) error {
	for i := range b.items {
		if item := &b.items[i]; item.path == "" {
			item.path = b.paths[itemID{item.rev, item.item}]
		}
	}
	slices.SortStableFunc(b.items, func(x, y packItem) int {
		if x.class != y.class {
			return cmp.Compare(x.class, y.class)
		}
		if x.class == partChanges {
			return cmp.Compare(x.rev, y.rev)
		}
		return cmp.Or(cmp.Compare(x.path, y.path), cmp.Compare(y.rev, x.rev))
	})
	for i := range b.items {
		e := b.items[i].p2lEntry
		text := b.data[e.offset : e.offset+e.size]
		e.offset = p.out.size
		b.offsets[e.rev-b.first][e.item] = e.offset
		if err := p.add(e, text); err != nil {
			return err
		}
	}
	for _, offsets := range b.offsets {
		for _, at := range offsets {
			if err := p.index.l2p.add(at); err != nil {
				return err
			}
		}
		if err := p.index.l2p.endRevision(); err != nil {
			return err
		}
	}
	*b = packedBatch{data: b.data[:0], items: b.items[:0]}
	return nil
}

func (p *revPacker) add(e p2lEntry, text []byte) error {
	if err := p.index.p2l.add(e); err != nil {
		return err
	}
	_, err := p.out.Write(text)
	return err
}

// takeWhole writes all items of a revision in the order that they have, however large it is.
func (p *revPacker) takeWhole(ctx context.Context, f *revFile, rev svn.Revnum) error {
	base := p.out.size
	buf := make([]byte, spoolBuffer)
	for e, err := range p.repo.itemsOf(f, rev) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = p.copyItem(f, e, base, buf)
		}
		if err != nil {
			return err
		}
	}
	first, end, _, err := f.l2pPagesOf(rev)
	if err != nil {
		return err
	}
	for page := first; page < end; page++ {
		offsets, err := p.repo.l2pPage(f, page)
		if err != nil {
			return err
		}
		for _, at := range offsets {
			if at >= 0 {
				at += base
			}
			if err := p.index.l2p.add(at); err != nil {
				return err
			}
		}
	}
	return p.index.l2p.endRevision()
}

// copyItem writes one item, or the unused bytes between two, and compares its checksum.
func (p *revPacker) copyItem(f *revFile, e p2lEntry, base int64, buf []byte) error {
	sum := newItemSum()
	for at, end := e.offset, e.offset+e.size; at < end; {
		n := min(int64(len(buf)), end-at)
		if _, err := f.file.ReadAt(buf[:n], at); err != nil {
			return f.readError(at, err)
		}
		sum.write(buf[:n])
		if _, err := p.out.Write(buf[:n]); err != nil {
			return err
		}
		at += n
	}
	if got := sum.sum(); e.kind != itemUnused && got != e.sum {
		return f.corrupt(e.offset, fmt.Sprintf("an item with checksum %08x", e.sum), fmt.Sprintf("%08x", got))
	}
	e.offset += base
	if e.kind == itemUnused {
		e.rev = p.index.p2l.rev
	}
	return p.index.p2l.add(e)
}
