package remote

import (
	"bytes"
	"crypto/md5" //nolint:gosec // it is what servers tell
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/havre-cloud/havre/svn"
)

// Contents compares the contents of a file that a server sends with what it has announced.
type Contents struct {
	path    svn.Path
	size    int64
	want    []byte // MD5, nil if the server did not say
	sum     hash.Hash
	skipped bool
	at      int64
}

// NewContents begins with the contents of a file. The MD5 is nil if the server did not say.
func NewContents(path svn.Path, size int64, want []byte) *Contents {
	return &Contents{path: path, size: size, want: want, sum: md5.New()} //nolint:gosec // as at the import
}

// Size returns what was announced, in bytes.
func (c *Contents) Size() int64 { return c.size }

// LengthError says that a file has not as many bytes as the server announced.
type LengthError struct {
	Path      svn.Path
	Want, Got int64 // a Got above Want is what was there when it was noticed
}

func (e *LengthError) Error() string {
	if e.Got > e.Want {
		return fmt.Sprintf("/%s has more than the %d bytes that were announced", e.Path, e.Want)
	}
	return fmt.Sprintf("/%s ended after %d of %d bytes", e.Path, e.Got, e.Want)
}

// Add takes what was read, and fails if it is more than was announced.
func (c *Contents) Add(p []byte) error {
	c.at += int64(len(p))
	if c.at > c.size {
		return &LengthError{c.path, c.size, c.at}
	}
	if !c.skipped {
		c.sum.Write(p)
	}
	return nil
}

// End compares at the end: nil if it is all as announced.
func (c *Contents) End() error {
	if c.at != c.size {
		return &LengthError{c.path, c.size, c.at}
	}
	if got := c.sum.Sum(nil); c.want != nil && !c.skipped && !bytes.Equal(got, c.want) {
		return &svn.ChecksumError{Path: c.path, Want: "md5 " + hex.EncodeToString(c.want), Got: "md5 " + hex.EncodeToString(got)}
	}
	return nil
}

// SkipTo reads up to the offset: servers send everything in any case. What r reads comes to Add.
func (c *Contents) SkipTo(r io.Reader, offset int64) error {
	if offset < c.at {
		return errors.New("svn: SkipTo backwards")
	}
	if offset == c.at {
		return nil
	}
	c.skipped = true
	_, err := io.CopyN(io.Discard, r, offset-c.at)
	return err
}
