package fsfs

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"

	"github.com/havre-cloud/havre/svn"
)

// The indexes of logical addressing. L2P gives the offset of an item, P2L tells what is at an
// offset. Integers are 7 bits a byte, low bits first; signed ones are zigzag coded.
//
//	L2P: "L2P-INDEX\n", first revision, entries in a page, revisions, pages,
//	     pages of each revision, (bytes, entries) of each page, pages
//	     page: signed differences of offset + 1, from 0; 0 is an unused item
//	P2L: "P2L-INDEX\n", first revision, bytes covered, bytes in a page, pages,
//	     bytes of each page's description, pages
//	     page: offset of its first item, then of each item that ends in it: size, signed
//	     differences of item x 8 + type and of the revision, checksum
const (
	l2pMagic = "L2P-INDEX\n"
	p2lMagic = "P2L-INDEX\n"

	// l2pPage and p2lPage are libsvn's default page sizes, in entries and bytes.
	l2pPage = 8192
	p2lPage = 1 << 20
)

// itemType is the type of an item in the P2L index.
type itemType byte

const (
	itemUnused itemType = iota
	itemFileRep
	itemDirRep
	itemFileProps
	itemDirProps
	itemNodeRev
	itemChanges
)

// The items whose numbers are fixed.
const (
	changesItem = 1
	rootItem    = 2
	firstItem   = 3
)

// l2pIndex is the L2P index of a file without its pages.
type l2pIndex struct {
	first    svn.Revnum
	pageSize int64
	// firstPage has for each revision its first page, and the number of pages at its end.
	firstPage []int32
	// pages has where each page begins, in bytes from the start of the file.
	pages []l2pPageInfo
}

type l2pPageInfo struct {
	offset  int64
	size    int32
	entries int32
}

// uvarints takes integers off the front of a slice; ok turns false when it cannot.
type uvarints struct {
	data []byte
	pos  int
	ok   bool
}

func (u *uvarints) next() int64 {
	v, n := binary.Uvarint(u.data[u.pos:])
	if n <= 0 || v > math.MaxInt64 {
		u.ok = false
		u.pos = len(u.data)
		return 0
	}
	u.pos += n
	return int64(v)
}

func (u *uvarints) nextSigned() int64 {
	v, n := binary.Varint(u.data[u.pos:])
	if n <= 0 {
		u.ok = false
		u.pos = len(u.data)
		return 0
	}
	u.pos += n
	return v
}

// parseL2P reads the index in data, which begins at the offset base of its file. reason is what
// was expected when it is none.
func parseL2P(data []byte, base int64) (x *l2pIndex, reason string) {
	if len(data) < len(l2pMagic) || string(data[:len(l2pMagic)]) != l2pMagic {
		return nil, "an L2P index"
	}
	u := uvarints{data: data, pos: len(l2pMagic), ok: true}
	x = &l2pIndex{}
	x.first = svn.Revnum(u.next())
	x.pageSize = u.next()
	revs, pages := u.next(), u.next()
	// Each revision takes a byte of the index, each page at least two.
	if !u.ok || x.pageSize < 1 || x.pageSize > 1<<31 || x.first > 1<<31 || revs > int64(len(data)) || pages > int64(len(data)) {
		return nil, "an L2P index with sizes that fit it"
	}
	x.firstPage = make([]int32, 1, revs+1)
	total := int64(0)
	for range revs {
		total += u.next()
		if total > pages {
			return nil, "an L2P index with as many pages as its revisions have"
		}
		x.firstPage = append(x.firstPage, int32(total))
	}
	x.pages = make([]l2pPageInfo, 0, pages)
	offset := int64(0)
	for range pages {
		size, entries := u.next(), u.next()
		if size > int64(len(data)) || entries > x.pageSize || entries > size {
			return nil, "an L2P index with pages within it"
		}
		x.pages = append(x.pages, l2pPageInfo{offset, int32(size), int32(entries)})
		offset += size
	}
	if !u.ok || total != pages || offset != int64(len(data)-u.pos) {
		return nil, "an L2P index with pages that fill it"
	}
	for i := range x.pages {
		x.pages[i].offset += base + int64(u.pos)
	}
	return x, ""
}

// page returns in which page, and where in it, the item is. ok is false when it does not exist.
func (x *l2pIndex) page(id itemID) (page, entry int, ok bool) {
	i := int64(id.rev - x.first)
	if i < 0 || i >= int64(len(x.firstPage)-1) || id.item < 0 {
		return 0, 0, false
	}
	n := id.item / x.pageSize
	if n >= int64(x.firstPage[i+1]-x.firstPage[i]) {
		return 0, 0, false
	}
	page = int(x.firstPage[i]) + int(n)
	entry = int(id.item % x.pageSize)
	return page, entry, entry < int(x.pages[page].entries)
}

// parseL2PPage returns the offsets of a page's items, -1 for unused ones.
func parseL2PPage(data []byte, entries int) (offsets []int64, ok bool) {
	u := uvarints{data: data, ok: true}
	offsets = make([]int64, entries)
	at := int64(0)
	for i := range offsets {
		at += u.nextSigned()
		if at < 0 {
			return nil, false
		}
		offsets[i] = at - 1
	}
	return offsets, u.ok && u.pos == len(data)
}

// appendL2P writes the index of one revision. offsets is indexed by item; -1 is an unused one.
func appendL2P(dst []byte, rev svn.Revnum, offsets []int64) []byte {
	var body bytes.Buffer // to write to it never fails
	pages := l2pPages{out: &body}
	for _, at := range offsets {
		_ = pages.add(at)
	}
	_ = pages.endRevision()
	dst = append(dst, pages.header(rev)...)
	return append(dst, body.Bytes()...)
}

// p2lEntry is an item as the P2L index describes it.
type p2lEntry struct {
	offset, size int64
	kind         itemType
	item         int64
	rev          svn.Revnum // in reading
	sum          uint32
}

// appendP2L writes the index of one revision, whose items cover the bytes from 0 to size in order.
func appendP2L(dst []byte, rev svn.Revnum, items []p2lEntry, size int64) []byte {
	var body bytes.Buffer // to write to it never fails
	pages := newP2LPages(&body, rev)
	for _, e := range items {
		e.rev = rev
		_ = pages.add(e)
	}
	header, _ := pages.finish(size)
	dst = append(dst, header...)
	return append(dst, body.Bytes()...)
}

// l2pPages writes the pages of an L2P index. The offsets of each revision come in the order of
// their items, the revisions one after the other.
type l2pPages struct {
	out    io.Writer
	counts []byte // of the pages of each revision, encoded
	sizes  []byte // (bytes, entries) of each page, encoded
	revs   int64
	pages  int64

	page    []byte
	entries uint64
	last    int64
	ofRev   uint64 // pages of the revision that is being written
}

// add writes the offset of the revision's next item; -1 stands for an item that does not exist.
func (l *l2pPages) add(at int64) error {
	l.page = binary.AppendVarint(l.page, at+1-l.last)
	l.last = at + 1
	if l.entries++; l.entries == l2pPage {
		return l.endPage()
	}
	return nil
}

func (l *l2pPages) endPage() error {
	l.sizes = binary.AppendUvarint(l.sizes, uint64(len(l.page)))
	l.sizes = binary.AppendUvarint(l.sizes, l.entries)
	l.ofRev++
	l.pages++
	_, err := l.out.Write(l.page)
	l.page, l.entries, l.last = l.page[:0], 0, 0
	return err
}

func (l *l2pPages) endRevision() error {
	if l.entries > 0 {
		if err := l.endPage(); err != nil {
			return err
		}
	}
	l.counts = binary.AppendUvarint(l.counts, l.ofRev)
	l.revs++
	l.ofRev = 0
	return nil
}

// header returns what comes before the pages; first is the first of the revisions.
func (l *l2pPages) header(first svn.Revnum) []byte {
	dst := []byte(l2pMagic)
	for _, n := range [...]int64{int64(first), l2pPage, l.revs, l.pages} {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	return append(append(dst, l.counts...), l.sizes...)
}

// p2lPages writes the pages of a P2L index. Items come in the order of their offsets and without
// gaps between them.
type p2lPages struct {
	out   io.Writer
	first svn.Revnum
	sizes []byte // of the pages, encoded
	pages int64

	page     []byte
	end      int64 // offset at which the page's part of the file ends
	compound int64
	rev      svn.Revnum
}

func (p *p2lPages) add(e p2lEntry) error {
	for e.offset+e.size > p.end {
		if err := p.endPage(); err != nil {
			return err
		}
	}
	p.entry(e)
	return nil
}

func (p *p2lPages) entry(e p2lEntry) {
	if len(p.page) == 0 {
		p.page = binary.AppendUvarint(p.page, uint64(e.offset))
		p.compound, p.rev = 0, p.first
	}
	compound := e.item*8 + int64(e.kind)
	p.page = binary.AppendUvarint(p.page, uint64(e.size))
	p.page = binary.AppendVarint(p.page, compound-p.compound)
	p.page = binary.AppendVarint(p.page, int64(e.rev-p.rev))
	p.page = binary.AppendUvarint(p.page, uint64(e.sum))
	p.compound, p.rev = compound, e.rev
}

func (p *p2lPages) endPage() error {
	p.sizes = binary.AppendUvarint(p.sizes, uint64(len(p.page)))
	_, err := p.out.Write(p.page)
	p.page = p.page[:0]
	p.end += p2lPage
	p.pages++
	return err
}

// finish writes the last page, for size bytes of items, and returns what comes before the pages. The last
// entry says that there is nothing up to the end of the page.
func (p *p2lPages) finish(size int64) (header []byte, err error) {
	p.entry(p2lEntry{offset: size, size: p.end - size, rev: p.rev})
	if err := p.endPage(); err != nil {
		return nil, err
	}
	header = []byte(p2lMagic)
	for _, n := range [...]int64{int64(p.first), size, p2lPage, p.pages} {
		header = binary.AppendUvarint(header, uint64(n))
	}
	return append(header, p.sizes...), nil
}

func newP2LPages(out io.Writer, first svn.Revnum) *p2lPages {
	return &p2lPages{out: out, first: first, rev: first, end: p2lPage}
}
