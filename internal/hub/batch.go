package hub

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Existing says what becomes of a file that is sent to a place where one is already.
type Existing uint8

// The ways.
const (
	ExistingAsk     Existing = iota // it is refused with havre.CodeExists
	ExistingReplace                 // it becomes a new version
	ExistingBoth                    // it gets another name
)

// BatchFile says where a file of a batch goes.
type BatchFile struct {
	Place    string    // below the directory of the batch: DIR/NAME
	ModTime  time.Time // zero if nobody knows
	Existing Existing
	// Base is the revision that the person saw when deciding to replace; below 1 means the youngest.
	Base svn.Revnum
}

// Outcome is what became of one file of a batch.
type Outcome struct {
	Place   string
	Path    svn.Path // where it is now
	Same    bool     // it was there with the same content
	Refused havre.RefusalReason
	Err     error // why not; nil if it is there

	change int // its index among the changes, -1 for none
}

// Batch collects files that a browser sends, until they become one revision. It is for one goroutine.
type Batch struct {
	Outcomes []Outcome // one for each file, in their order

	hub     *Hub
	caller  *havre.Caller
	at      *Spot
	changes []havre.Change
	made    map[svn.Path]bool // directories that are there or will be
	taken   map[svn.Path]bool // files of the batch
	held    []havre.UploadID  // uploads that the batch made itself
	inline  int
}

// maxInline is how many bytes of small files a batch holds in memory; later ones go to the disk.
const maxInline = 16 << 20

// NewBatch begins a batch for the directory at the spot.
func (h *Hub) NewBatch(_ context.Context, c *havre.Caller, at *Spot) (*Batch, error) {
	switch {
	case at.Right < havre.RightWrite:
		return nil, denied("you may not write here: ask who manages the folder")
	case !at.Dir():
		return nil, invalid("%q is no directory", at.Path.Name())
	case at.Past:
		return nil, invalid("nothing can be added to the past")
	}
	return &Batch{hub: h, caller: c, at: at, made: map[svn.Path]bool{}, taken: map[svn.Path]bool{}}, nil
}

// Add reads a file. What is wrong with it alone is its outcome; an error ends the batch.
func (b *Batch) Add(ctx context.Context, f BatchFile, r io.Reader) error {
	c := &havre.Change{Kind: havre.ChangePut, Base: svn.InvalidRevnum, Entry: havre.Entry{Kind: havre.KindFile, ModTime: f.ModTime.UTC()}}
	p, err := b.place(f.Place)
	if err == nil {
		if err := b.content(ctx, c, r); err != nil {
			return err
		}
		err = b.put(ctx, p, f, c)
	}
	return b.outcome(f, err)
}

// AddUpload makes a file of an upload of the caller's that is complete. The upload stays if the file is
// refused.
func (b *Batch) AddUpload(ctx context.Context, f BatchFile, id havre.UploadID) error {
	c := &havre.Change{Kind: havre.ChangePut, Base: svn.InvalidRevnum, Upload: id, Entry: havre.Entry{Kind: havre.KindFile, ModTime: f.ModTime.UTC()}}
	have, want, err := b.hub.uploads.size(b.caller.Device, id)
	if err == nil && have != want {
		err = invalid("the upload has %d of %d bytes", have, want)
	}
	if err == nil {
		var p svn.Path
		if p, err = b.place(f.Place); err == nil {
			c.Entry.Size = want
			err = b.put(ctx, p, f, c)
		}
	}
	return b.outcome(f, err)
}

// outcome records what became of the file; put has done so already for one that goes into the revision.
func (b *Batch) outcome(f BatchFile, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*havre.Error](err); !ok {
		return err
	}
	b.Outcomes = append(b.Outcomes, Outcome{Place: f.Place, Err: err, change: -1})
	return nil
}

// place reads the place of a file below the directory.
func (b *Batch) place(place string) (svn.Path, error) { return b.at.inside(place) }

// inside returns the path of something below the spot.
func (at *Spot) inside(place string) (svn.Path, error) {
	rel, err := svn.CheckPath(place)
	if err != nil || place == "" || len(place) > maxPath {
		return "", invalid("%.60q cannot be the place of a file", place)
	}
	p := at.Path.Join(string(rel))
	if isReserved(p) {
		return "", invalid("%q is for havre itself: choose another name", ".havre")
	}
	if at.v.right(p) < havre.RightWrite {
		return "", denied("you may not write there")
	}
	return p, nil
}

// put plans the change that makes c the file at p.
func (b *Batch) put(ctx context.Context, p svn.Path, f BatchFile, c *havre.Change) error {
	for dir := p.Dir(); dir != b.at.Path; dir = dir.Dir() {
		if err := CheckName(dir.Name()); err != nil && !b.made[dir] {
			if n, errStat := b.at.v.stat(ctx, dir, b.at.Folder.Head); errStat != nil || n == nil {
				return err
			}
		}
	}
	there, err := b.look(ctx, p)
	if err != nil {
		return err
	}
	same := func(n *svn.Node) bool {
		return n != nil && n.Kind == svn.KindFile && n.SHA1 != nil && string(n.SHA1) == string(c.Entry.Hash.SHA1())
	}
	switch {
	case same(there):
		b.Outcomes = append(b.Outcomes, Outcome{Place: f.Place, Path: p, Same: true, change: -1})
		return nil
	case there == nil && !b.taken[p]:
		err = CheckName(p.Name())
	case there != nil && there.Kind == svn.KindDir:
		err = havre.Errorf(havre.CodeExists, "%q is a directory here: rename one of the two", p.Name())
	case f.Existing == ExistingReplace && !b.taken[p]:
		if c.Base = b.at.Folder.Head; f.Base > 0 {
			c.Base = min(f.Base, c.Base)
		}
	case f.Existing == ExistingBoth:
		var name string
		name = FreeName(p.Name(), func(name string) bool {
			q := p.Dir().Join(name)
			n, errLook := b.look(ctx, q)
			err = errors.Join(err, errLook)
			return errLook == nil && (n != nil || b.taken[q])
		})
		p = p.Dir().Join(name)
	default:
		err = havre.Errorf(havre.CodeExists, "a file with this name is already here")
	}
	if err != nil {
		return err
	}
	if err := b.dirs(ctx, p.Dir()); err != nil {
		return err
	}
	c.Path, b.taken[p] = p, true
	b.Outcomes = append(b.Outcomes, Outcome{Place: f.Place, Path: p, change: len(b.changes)})
	b.changes = append(b.changes, *c)
	return nil
}

// look returns what is at the path, nil for nothing.
func (b *Batch) look(ctx context.Context, p svn.Path) (*svn.Node, error) {
	n, err := b.at.v.stat(ctx, p, b.at.Folder.Head)
	return n, explain(err, p)
}

// dirs makes the directories on the way that are not there.
func (b *Batch) dirs(ctx context.Context, dir svn.Path) error {
	if dir == b.at.Path || dir == "" || b.made[dir] {
		return nil
	}
	n, err := b.look(ctx, dir)
	if err != nil {
		return err
	}
	if n != nil && n.Kind != svn.KindDir || b.taken[dir] {
		return havre.Errorf(havre.CodeExists, "%q is a file here, not a directory", dir.Name())
	}
	if n == nil {
		if err := b.dirs(ctx, dir.Dir()); err != nil {
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
		return havre.Errorf(havre.CodeInvalid, "the upload broke off: send it again").Because(err)
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
	b.held = append(b.held, id)
	c.Upload, c.Entry.Size, c.Entry.Hash = id, size, hash
	return nil
}

// Commit makes one revision of the batch and completes the outcomes. The result is nil if there was
// nothing to change.
func (b *Batch) Commit(ctx context.Context) (*Done, error) {
	defer b.Discard(ctx) //nolint:errcheck // what a revision used is gone; the rest expires
	if len(b.changes) == 0 {
		return nil, nil //nolint:nilnil // nothing is no failure
	}
	commit := &havre.Commit{ID: "web-" + strings.ToLower(rand.Text()), Changes: b.changes, Confirmed: true}
	r, err := b.hub.Commit(ctx, b.caller, b.at.Scope(), commit)
	if err != nil {
		return nil, err
	}
	refused := make(map[int]havre.Refusal, len(r.Refused))
	for _, f := range r.Refused {
		refused[f.Index] = f
	}
	for i := range b.Outcomes {
		o := &b.Outcomes[i]
		if f, ok := refused[o.change]; ok && o.change >= 0 {
			o.Refused, o.Err = f.Reason, havre.ErrorSaying(havre.CodeInvalid, f.Said)
		}
	}
	return &Done{Rev: r.Rev, Refused: r.Refused}, nil
}

// Discard removes what was received for the batch and is in no revision.
func (b *Batch) Discard(context.Context) error { return b.hub.uploads.remove(b.caller.Device, b.held) }

// Presence is what is at a place where a file is to go.
type Presence struct {
	Taken bool
	Size  int64
	Hash  havre.Hash
	Err   error // why no file can go there
}

// Present says what is at places below the directory.
func (h *Hub) Present(ctx context.Context, c *havre.Caller, at *Spot, places []string) ([]Presence, error) {
	b, err := h.NewBatch(ctx, c, at)
	if err != nil {
		return nil, err
	}
	list := make([]Presence, len(places))
	missing := map[svn.Path]bool{} // directories that are not there
	for i, place := range places {
		here := &list[i]
		p, err := b.place(place)
		if err != nil {
			here.Err = err
			continue
		}
		if here.Err = CheckName(p.Name()); missing[p.Dir()] {
			continue
		}
		n, err := b.look(ctx, p)
		if err != nil {
			return nil, err
		}
		switch {
		case n == nil:
			if d, err := b.look(ctx, p.Dir()); err == nil && d == nil {
				missing[p.Dir()] = true
			}
		case n.Kind == svn.KindDir:
			here.Err = havre.Errorf(havre.CodeExists, "%q is a directory here: rename one of the two", p.Name())
		default:
			here.Taken, here.Size, here.Err = true, n.Size, nil
			if n.SHA1 != nil {
				here.Hash = havre.SHA1Hash(n.SHA1)
			}
		}
	}
	return list, nil
}
