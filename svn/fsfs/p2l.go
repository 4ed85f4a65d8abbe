package fsfs

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/havre-cloud/havre/svn"
)

// p2lIndex is the P2L index of a file without its pages.
type p2lIndex struct {
	first    svn.Revnum
	pageSize int64 // bytes of items
	// pages has where each page's description begins in the file, and at last where the index
	// ends.
	pages []int64
}

// parseP2L reads the index in data, which begins at the offset base of its file and covers size
// bytes of items. reason is what was expected when it is none.
func parseP2L(data []byte, base, size int64) (x *p2lIndex, reason string) {
	if len(data) < len(p2lMagic) || string(data[:len(p2lMagic)]) != p2lMagic {
		return nil, "a P2L index"
	}
	u := uvarints{data: data, pos: len(p2lMagic), ok: true}
	x = &p2lIndex{first: svn.Revnum(u.next())}
	covered := u.next()
	x.pageSize = u.next()
	pages := u.next()
	if !u.ok || covered != size || x.pageSize < 1 || pages > int64(len(data)) || pages != (max(1, size)-1)/x.pageSize+1 {
		return nil, fmt.Sprintf("a P2L index of %d bytes", size)
	}
	x.pages = make([]int64, 1, pages+1)
	for range pages {
		n := u.next()
		if n > int64(len(data)) {
			return nil, "a P2L index with pages within it"
		}
		x.pages = append(x.pages, x.pages[len(x.pages)-1]+n)
	}
	if !u.ok || x.pages[pages] != int64(len(data)-u.pos) {
		return nil, "a P2L index with pages that fill it"
	}
	for i := range x.pages {
		x.pages[i] += base + int64(u.pos)
	}
	return x, ""
}

// parseP2LPage reads the description of a page: its items in the order of their offsets.
func parseP2LPage(data []byte, first svn.Revnum) (items []p2lEntry, ok bool) {
	if len(data) == 0 {
		return nil, true
	}
	u := uvarints{data: data, ok: true}
	at := u.next()
	compound, rev := int64(0), int64(first)
	for u.ok && u.pos < len(data) {
		e := p2lEntry{offset: at, size: u.next()}
		compound += u.nextSigned()
		rev += u.nextSigned()
		sum := u.next()
		if at+e.size < at || compound < 0 || sum > 1<<32-1 {
			return nil, false
		}
		e.kind, e.item, e.rev = itemType(compound&7), compound>>3, svn.Revnum(rev)
		e.sum = uint32(sum)
		items = append(items, e)
		at += e.size
	}
	return items, u.ok
}

func (r *Repository) p2lPage(f *revFile, page int) ([]p2lEntry, error) {
	key := pageKey{f.key, page}
	if items, ok := r.items.get(key); ok {
		return items, nil
	}
	at := f.p2l.pages[page]
	data := make([]byte, f.p2l.pages[page+1]-at)
	if _, err := f.file.ReadAt(data, at); err != nil {
		return nil, f.readError(at, err)
	}
	items, ok := parseP2LPage(data, f.p2l.first)
	if !ok {
		return nil, f.corrupt(at, "a page of a P2L index", "something else")
	}
	r.items.put(key, items)
	return items, nil
}

// describeItem returns what the P2L index says of the item that begins at an offset. An item is listed
// in the page in which it ends.
func (r *Repository) describeItem(f *revFile, at int64) (p2lEntry, error) {
	for page := int(at / f.p2l.pageSize); page < len(f.p2l.pages)-1; page++ {
		items, err := r.p2lPage(f, page)
		if err != nil {
			return p2lEntry{}, err
		}
		i, found := slices.BinarySearchFunc(items, at, func(e p2lEntry, at int64) int { return cmp.Compare(e.offset, at) })
		if found && items[i].kind != itemUnused {
			return items[i], nil
		}
		if len(items) > 0 && items[0].offset > at {
			break
		}
	}
	return p2lEntry{}, f.corrupt(at, "the beginning of an item", "none in the index")
}

// readItem returns a whole item, compared with its checksum. It needs logical addressing. The
// item must not be changed.
func (r *Repository) readItem(f *revFile, id itemID, at, limit int64) ([]byte, error) {
	e, err := r.describeItem(f, at)
	if err != nil {
		return nil, err
	}
	if e.rev != id.rev || e.item != id.item {
		return nil, f.corrupt(at, fmt.Sprintf("item %d of r%d", id.item, id.rev), fmt.Sprintf("item %d of r%d", e.item, e.rev))
	}
	if e.size > limit || e.size > f.end-at {
		return nil, f.corrupt(at, fmt.Sprintf("an item of at most %d bytes", min(limit, f.end-at)), fmt.Sprintf("%d", e.size))
	}
	data, err := f.few(at, e.size)
	if err != nil {
		return nil, err
	}
	sum := newItemSum()
	sum.write(data)
	if got := sum.sum(); got != e.sum {
		return nil, f.corrupt(at, fmt.Sprintf("an item with checksum %08x", e.sum), fmt.Sprintf("%08x", got))
	}
	return data, nil
}
