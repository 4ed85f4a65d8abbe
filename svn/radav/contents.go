package radav

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // it is what the server tells
	"crypto/sha1" //nolint:gosec // what svn.Change announces
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/havre-cloud/havre/svn"
)

// maxInMemory is up to which size contents of unknown length are kept in memory to know it.
const maxInMemory = 1 << 20

// outgoing is contents to be sent. Their length has to be known before: not every proxy takes a request without it.
type outgoing struct {
	change *svn.Change
	size   int64
	again  func() (io.ReadCloser, error)
	spool  *os.File

	md5, sha1 hash.Hash
	n         int64
}

// measure finds out how long the contents are: as they are announced, or by reading them.
func measure(c *svn.Change) (*outgoing, error) {
	if c == nil || c.Content == nil {
		return &outgoing{again: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(nil)), nil }}, nil
	}
	if c.SHA1 != nil {
		return &outgoing{change: c, size: c.Size, again: c.Content}, nil
	}
	r, err := c.Content()
	if err != nil {
		return nil, err
	}
	o := &outgoing{change: c}
	head, err := io.ReadAll(io.LimitReader(r, maxInMemory+1))
	if err == nil && len(head) > maxInMemory {
		err = o.toDisk(io.MultiReader(bytes.NewReader(head), r))
	}
	if err = errors.Join(err, r.Close()); err != nil {
		o.close()
		return nil, err
	}
	if o.spool == nil {
		o.size = int64(len(head))
		o.again = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(head)), nil }
	}
	return o, nil
}

func (o *outgoing) toDisk(r io.Reader) (err error) {
	if o.spool, err = os.CreateTemp("", "svn-put-*"); err != nil {
		return err
	}
	o.again = func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(o.spool, 0, o.size)), nil }
	o.size, err = io.Copy(o.spool, r)
	return err
}

func (o *outgoing) close() {
	if o.spool != nil {
		_ = o.spool.Close()
		_ = os.Remove(o.spool.Name()) // it is a temporary file
	}
}

// open begins to read the contents, anew if they were sent before.
func (o *outgoing) open() (io.ReadCloser, error) {
	r, err := o.again()
	if err != nil {
		return nil, err
	}
	o.md5, o.sha1, o.n = md5.New(), sha1.New(), 0 //nolint:gosec // as at the imports
	return &hashing{r, o}, nil
}

// hashing works out the checksums of what is sent.
type hashing struct {
	io.ReadCloser
	o *outgoing
}

func (h *hashing) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.o.n += int64(n)
	h.o.md5.Write(p[:n])
	h.o.sha1.Write(p[:n])
	if h.o.n > h.o.size || err == io.EOF && h.o.n < h.o.size {
		return 0, h.o.wrongSize()
	}
	return n, err
}

func (o *outgoing) wrongSize() error {
	got := fmt.Sprintf("%d bytes", o.n)
	if o.n > o.size {
		got = fmt.Sprintf("more than %d bytes", o.size)
	}
	return &svn.ChecksumError{Path: o.change.Path, Want: fmt.Sprintf("%d bytes", o.size), Got: got}
}

// finish compares what was sent with what was announced, and returns its MD5.
func (o *outgoing) finish(path svn.Path) ([]byte, error) {
	if o.md5 == nil { // nothing was sent, for there is nothing
		o.md5, o.sha1 = md5.New(), sha1.New() //nolint:gosec // as at the imports
		if o.change != nil && o.change.SHA1 != nil {
			if err := o.empty(); err != nil {
				return nil, err
			}
		}
	}
	if o.change != nil && o.change.SHA1 != nil {
		if got := o.sha1.Sum(nil); !bytes.Equal(got, o.change.SHA1) {
			return nil, &svn.ChecksumError{Path: path, Want: "sha1 " + hex.EncodeToString(o.change.SHA1), Got: "sha1 " + hex.EncodeToString(got)}
		}
	}
	return o.md5.Sum(nil), nil
}

// empty checks that contents that were announced as empty are.
func (o *outgoing) empty() error {
	r, err := o.open()
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return errors.Join(err, r.Close())
}
