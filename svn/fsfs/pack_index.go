package fsfs

import (
	"bufio"
	"crypto/md5" //nolint:gosec // the format's checksum
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/havre-cloud/havre/svn"
)

// spool is a temporary file that is written once from its start to its end.
type spool struct {
	file *os.File
	buf  *bufio.Writer
	size int64 // bytes
}

const spoolBuffer = 256 << 10 // bytes

func (r *Repository) newSpool(suffix string) (*spool, error) {
	f, err := r.createTemp(suffix)
	if err != nil {
		return nil, err
	}
	return &spool{file: f, buf: bufio.NewWriterSize(f, spoolBuffer)}, nil
}

func (s *spool) Write(p []byte) (int, error) {
	n, err := s.buf.Write(p)
	s.size += int64(n)
	return n, err
}

// discard removes the file unless it was given away.
func (s *spool) discard() {
	if s != nil && s.file != nil {
		discardTemp(s.file)
		s.file = nil
	}
}

// packIndexes writes the two indexes of a pack while its items are written. What is known only at
// the end, the headers, is small; the pages go to temporary files meanwhile.
type packIndexes struct {
	first svn.Revnum
	l2p   l2pPages
	p2l   p2lPages
}

func (r *Repository) newPackIndexes(first svn.Revnum) (*packIndexes, error) {
	x := &packIndexes{first: first}
	x.p2l.first, x.p2l.rev, x.p2l.end = first, first, p2lPage
	var err error
	if x.l2p.out, err = r.newSpool(".l2p"); err != nil {
		return nil, err
	}
	if x.p2l.out, err = r.newSpool(".p2l"); err != nil {
		x.discard()
		return nil, err
	}
	return x, nil
}

func (x *packIndexes) discard() {
	x.l2p.out.discard()
	x.p2l.out.discard()
}

// l2pPages writes the pages of an L2P index. The offsets of each revision come in the order of
// their items, the revisions one after the other.
type l2pPages struct {
	out    *spool
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

// p2lPages writes the pages of a P2L index. Items come in the order of their offsets and without
// gaps between them.
type p2lPages struct {
	out   *spool
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

// finish appends both indexes and the footer to the pack, which has all its items.
func (x *packIndexes) finish(pack *spool) error {
	items := pack.size
	// The last entry says that there is nothing up to the end of the page.
	x.p2l.entry(p2lEntry{offset: items, size: x.p2l.end - items, rev: x.p2l.rev})
	if err := x.p2l.endPage(); err != nil {
		return err
	}
	header := []byte(l2pMagic)
	for _, n := range [...]int64{int64(x.first), l2pPage, x.l2p.revs, x.l2p.pages} {
		header = binary.AppendUvarint(header, uint64(n))
	}
	header = append(append(header, x.l2p.counts...), x.l2p.sizes...)
	l2pSum, err := x.l2p.out.appendTo(pack, header)
	if err != nil {
		return err
	}
	p2l := pack.size
	header = []byte(p2lMagic)
	for _, n := range [...]int64{int64(x.first), items, p2lPage, x.p2l.pages} {
		header = binary.AppendUvarint(header, uint64(n))
	}
	p2lSum, err := x.p2l.out.appendTo(pack, append(header, x.p2l.sizes...))
	if err != nil {
		return err
	}
	footer := fmt.Appendf(nil, "%d %s %d %s", items, l2pSum, p2l, p2lSum)
	_, err = pack.Write(append(footer, byte(len(footer))))
	return err
}

// appendTo writes a header and the whole spool behind it to another, and returns the MD5 of both
// in hexadecimal.
func (s *spool) appendTo(to *spool, header []byte) (sum string, err error) {
	if err := s.buf.Flush(); err != nil {
		return "", err
	}
	var h hash.Hash = md5.New() //nolint:gosec // the format's checksum
	all := io.MultiWriter(to, h)
	if _, err := all.Write(header); err != nil {
		return "", err
	}
	_, err = io.Copy(all, io.NewSectionReader(s.file, 0, s.size))
	return hex.EncodeToString(h.Sum(nil)), err
}
