package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Batch collects files that a browser sends, until they become one revision. It is for one goroutine.
type Batch struct {
	hub     *Hub
	caller  *havre.Caller
	at      *Spot
	changes []havre.Change
	made    map[svn.Path]bool
	uploads []havre.UploadID
	inline  int
}

// maxInline is how many bytes of small files a batch holds in memory; later ones go to the disk.
const maxInline = 16 << 20

// NewBatch begins a batch for the directory at the spot.
func (h *Hub) NewBatch(_ context.Context, c *havre.Caller, at *Spot) (*Batch, error) {
	if at.Right < havre.RightWrite {
		return nil, denied("you may not write here: ask who manages the folder")
	}
	if !at.Dir() {
		return nil, invalid("%q is no directory", at.Path.Name())
	}
	return &Batch{hub: h, caller: c, at: at, made: map[svn.Path]bool{}}, nil
}

// Add reads a file for the place below the directory, DIR/NAME. What is there becomes an older version.
func (b *Batch) Add(ctx context.Context, place string, r io.Reader) error {
	c, there, err := b.change(ctx, place)
	if err != nil {
		return err
	}
	if err := b.content(ctx, c, r); err != nil {
		return err
	}
	if there != nil && there.SHA1 != nil && string(there.SHA1) == string(c.Entry.Hash.SHA1()) {
		return nil // already here with the same content
	}
	b.changes = append(b.changes, *c)
	return nil
}

// AddUpload makes the file at the place of an upload of the caller's that is complete.
func (b *Batch) AddUpload(ctx context.Context, place string, id havre.UploadID) error {
	have, want, err := b.hub.uploads.size(b.caller.Device, id)
	if err != nil {
		return err
	}
	if have != want {
		return invalid("the upload has %d of %d bytes", have, want)
	}
	c, _, err := b.change(ctx, place)
	if err != nil {
		return err
	}
	c.Upload, c.Entry.Size = id, want
	b.changes, b.uploads = append(b.changes, *c), append(b.uploads, id)
	return nil
}

// change begins the change that puts a file at the place, after those that make the directories on
// the way. there is the file that it replaces, nil if there is none.
func (b *Batch) change(ctx context.Context, place string) (c *havre.Change, there *svn.Node, err error) {
	place = strings.TrimPrefix(strings.ReplaceAll(place, `\`, "/"), "/")
	p, err := svn.CheckPath(string(b.at.Path.Join(place)))
	if err != nil || place == "" {
		return nil, nil, invalid("%q cannot be a place for a file", place)
	}
	if _, in := p.Rel(b.at.Path); !in || isReserved(p) {
		return nil, nil, invalid("%q is not a place here", place)
	}
	if err := b.dirs(ctx, p.Dir()); err != nil {
		return nil, nil, err
	}
	if there, err = b.at.v.stat(ctx, p, b.at.Folder.Head); err != nil {
		return nil, nil, explain(err, p)
	}
	c = &havre.Change{Kind: havre.ChangePut, Path: p, Base: svn.InvalidRevnum, Entry: havre.Entry{Kind: havre.KindFile, ModTime: b.hub.now().UTC()}}
	switch {
	case there == nil:
		return c, nil, CheckName(p.Name())
	case there.Kind == svn.KindDir:
		return nil, nil, &havre.Error{Code: havre.CodeExists, Text: fmt.Sprintf("%q is a directory here: rename one of the two", p.Name())}
	}
	c.Base = b.at.Folder.Head
	return c, there, nil
}

// dirs makes the directories on the way that are not there.
func (b *Batch) dirs(ctx context.Context, dir svn.Path) error {
	if dir == b.at.Path || dir == "" || b.made[dir] {
		return nil
	}
	n, err := b.at.v.stat(ctx, dir, b.at.Folder.Head)
	if err != nil {
		return explain(err, dir)
	}
	if n == nil {
		if err := b.dirs(ctx, dir.Dir()); err != nil {
			return err
		}
		if err := CheckName(dir.Name()); err != nil {
			return err
		}
		b.changes = append(b.changes, havre.Change{Kind: havre.ChangePut, Path: dir, Base: svn.InvalidRevnum, Entry: havre.Entry{Kind: havre.KindDir}})
	}
	b.made[dir] = true
	return nil
}

// content reads the contents into memory if they are small, else into an upload.
func (b *Batch) content(ctx context.Context, c *havre.Change, r io.Reader) error {
	head := make([]byte, havre.InlineLimit+1)
	n, err := io.ReadFull(r, head)
	head = head[:n]
	small := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !small {
		return invalid("the upload broke off: send it again")
	}
	if small && b.inline+n <= maxInline {
		b.inline += n
		c.Content, c.Entry.Size, c.Entry.Hash = bytes.Clone(head), int64(n), havre.HashBytes(head)
		return nil
	}
	id, size, hash, err := b.hub.uploads.receive(b.caller.Device, io.MultiReader(bytes.NewReader(head), cancelled{ctx, r}))
	if err != nil {
		return full(err)
	}
	b.uploads = append(b.uploads, id)
	c.Upload, c.Entry.Size, c.Entry.Hash = id, size, hash
	return nil
}

// Commit makes one revision of the batch.
func (b *Batch) Commit(ctx context.Context) (*Done, error) {
	d, err := b.hub.do(ctx, b.caller, b.at, "", b.changes)
	if err != nil {
		err = errors.Join(err, b.Discard(ctx))
	}
	return d, err
}

// Discard removes what was uploaded for the batch.
func (b *Batch) Discard(context.Context) error { return b.hub.uploads.remove(b.caller.Device, b.uploads) }
