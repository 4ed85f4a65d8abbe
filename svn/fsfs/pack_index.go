package fsfs

import (
	"bufio"
	"crypto/md5" //nolint:gosec // the format's checksum
	"encoding/hex"
	"fmt"
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
	first            svn.Revnum
	l2p              *l2pPages
	p2l              *p2lPages
	l2pBody, p2lBody *spool
}

func (r *Repository) newPackIndexes(first svn.Revnum) (*packIndexes, error) {
	x := &packIndexes{first: first}
	var err error
	if x.l2pBody, err = r.newSpool(".l2p"); err != nil {
		return nil, err
	}
	if x.p2lBody, err = r.newSpool(".p2l"); err != nil {
		x.discard()
		return nil, err
	}
	x.l2p, x.p2l = &l2pPages{out: x.l2pBody}, newP2LPages(x.p2lBody, first)
	return x, nil
}

func (x *packIndexes) discard() {
	x.l2pBody.discard()
	x.p2lBody.discard()
}

// finish appends both indexes and the footer to the pack, which has all its items.
func (x *packIndexes) finish(pack *spool) error {
	items := pack.size
	p2lHeader, err := x.p2l.finish(items)
	if err != nil {
		return err
	}
	l2pSum, err := x.l2pBody.appendTo(pack, x.l2p.header(x.first))
	if err != nil {
		return err
	}
	p2l := pack.size
	p2lSum, err := x.p2lBody.appendTo(pack, p2lHeader)
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
	h := md5.New() //nolint:gosec // the format's checksum
	all := io.MultiWriter(to, h)
	if _, err := all.Write(header); err != nil {
		return "", err
	}
	_, err = io.Copy(all, io.NewSectionReader(s.file, 0, s.size))
	return hex.EncodeToString(h.Sum(nil)), err
}
