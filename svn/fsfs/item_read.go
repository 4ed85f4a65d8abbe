package fsfs

import (
	"fmt"
	"io"
)

// itemReader reads the delta of a representation and computes the checksum that the P2L index has of
// the item. That takes a fifth of the time of the MD5 of the contents, and finds damage as well: all bytes
// of the item go into it. The reference to the item is in a node-revision, which has a checksum
// of its own.
type itemReader struct {
	body    io.ReadSeeker
	sum     itemSum
	entry   p2lEntry
	skipped bool // something was passed over unread: there is nothing to compare any more
}

func (r *itemReader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.sum.write(p[:n])
	return n, err
}

func (r *itemReader) Seek(offset int64, whence int) (int64, error) {
	r.skipped = true
	return r.body.Seek(offset, whence)
}

// byItem makes a chain that is about to be read compare the checksum of its item at the end. It
// reports false where that would not do: without logical addressing, or when the contents depend
// on other items, of which only some windows are read.
func (r *Repository) byItem(c *chain) bool {
	if len(c.links) != 1 || c.plain != nil || c.links[0].file.p2l == nil {
		return false
	}
	l := c.links[0]
	start, err := r.offset(l.file, c.rep.at)
	if err != nil {
		return false
	}
	e, err := r.describeItem(l.file, start)
	if err != nil || e.rev != c.rep.at.rev || e.item != c.rep.at.item || start+e.size != l.at+l.size+int64(len(repEnd)) {
		return false // the MD5 decides
	}
	header := make([]byte, l.at-start)
	if _, err := l.file.file.ReadAt(header, start); err != nil {
		return false
	}
	c.item = &itemReader{body: l.body, sum: newItemSum(), entry: e}
	c.item.sum.write(header)
	l.decoder.Reset(c.item)
	return true
}

// checkItem compares the checksum of the item, all of whose delta was read.
func (c *chain) checkItem() error {
	if c.item == nil || c.item.skipped {
		return nil
	}
	l := c.links[0]
	end := make([]byte, len(repEnd))
	if _, err := l.file.file.ReadAt(end, l.at+l.size); err != nil {
		return l.file.readError(l.at+l.size, err)
	}
	c.item.sum.write(end)
	if got := c.item.sum.sum(); got != c.item.entry.sum {
		return l.file.corrupt(c.item.entry.offset, fmt.Sprintf("an item with checksum %08x", c.item.entry.sum), fmt.Sprintf("%08x", got))
	}
	return nil
}
