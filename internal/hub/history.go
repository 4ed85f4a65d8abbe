package hub

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Version is one version of a file.
type Version struct {
	Act
	Number int      // the first is 1
	Path   svn.Path // where it was then
	Size   int64
	Hash   havre.Hash
	// Moved: only the name or place changed, not the contents.
	Moved bool
}

// maxVersions bounds how far back versions are listed.
const maxVersions = 1000

// Versions returns the versions of the file at the spot up to its revision, the youngest first, through
// renames and copies. What was at places that the caller may not read is left out, with all before
// it. more says that there are older ones than are listed.
func (h *Hub) Versions(ctx context.Context, at *Spot) (list []Version, more bool, err error) {
	v := at.v
	here := at.Path
	from := at.Rev
	for from > 0 && !more {
		step, err := v.previousChange(ctx, here, from)
		if err != nil {
			return nil, false, err
		}
		if step == nil {
			break
		}
		if !step.moved || step.touched {
			n, err := v.stat(ctx, here, step.act.Rev)
			if err != nil {
				return nil, false, explain(err, here)
			}
			if n == nil || n.Kind != svn.KindFile || !v.reach.reads(v.inFolder(here)) {
				break
			}
			version := Version{Act: step.act, Path: here, Size: n.Size, Moved: step.moved && !step.content}
			if n.SHA1 != nil {
				version.Hash = havre.SHA1Hash(n.SHA1)
			}
			list = append(list, version)
		}
		if step.born {
			break
		}
		here, from = step.path, step.rev
		more = len(list) >= maxVersions
	}
	for i := range list {
		list[i].Number = len(list) - i
	}
	return list, more, nil
}

// step is a change of something, as seen from behind it.
type step struct {
	act     Act
	touched bool // the path itself is named by the revision
	content bool // the contents may be others
	moved   bool // it came from path
	born    bool // there was nothing before
	path    svn.Path
	rev     svn.Revnum // as of which it was at path
}

// previousChange finds the youngest revision up to rev that changed what is at p, or brought it there; nil
// if there is none.
func (v *view) previousChange(ctx context.Context, p svn.Path, rev svn.Revnum) (*step, error) {
	abs := v.abs(p)
	for e, err := range v.repo.ledger.down(ctx, rev, 1) {
		if err != nil {
			return nil, err
		}
		if s := v.stepIn(e, abs); s != nil {
			return s, nil
		}
	}
	return nil, nil //nolint:nilnil // there is none
}

// stepIn says what the revision did to the path, nil if nothing.
func (v *view) stepIn(e *ledgerEntry, abs svn.Path) *step {
	var found *step
	longest := -1
	for i := range e.changes {
		c := &e.changes[i]
		below, in := abs.Rel(c.Path)
		if !in || len(c.Path) < longest || c.Action == svn.ActionDelete {
			continue
		}
		if c.Path != abs && c.Action == svn.ActionModify {
			continue
		}
		s := &step{act: e.Act, path: "", rev: e.Rev - 1, touched: c.Path == abs, content: c.TextModified || c.Action != svn.ActionModify && c.CopyFrom == nil}
		switch {
		case c.Action == svn.ActionModify:
			s.path, _ = v.rel(abs)
		case c.CopyFrom == nil:
			s.born = true
		default:
			source, ok := v.rel(c.CopyFrom.Path.Join(string(below)))
			s.moved, s.path, s.rev = true, source, c.CopyFrom.Rev
			s.born = !ok
			if here, _ := v.rel(abs); c.Action == svn.ActionReplace && c.Path == abs && (source == here || !takenAway(e, c.CopyFrom.Path)) {
				// An older version was put back over the one of the time: these are versions too.
				s.moved, s.touched, s.content, s.rev, s.path, s.born = false, true, true, e.Rev-1, here, false
			}
		}
		if found != nil && found.touched && c.Path != abs {
			continue
		}
		// A file that was moved with its directory and changed by the same revision has both changes.
		if found != nil && s.touched && found.moved && c.Action == svn.ActionModify {
			found.touched, found.content = true, s.content
			longest = len(c.Path)
			continue
		}
		found, longest = s, len(c.Path)
	}
	return found
}

// takenAway says whether the revision deleted what was at the path.
func takenAway(e *ledgerEntry, abs svn.Path) bool {
	return slices.ContainsFunc(e.changes, func(c svn.PathChange) bool {
		_, in := abs.Rel(c.Path)
		return in && c.Action == svn.ActionDelete
	})
}

// Deletion is something that somebody deleted.
type Deletion struct {
	Act
	Path svn.Path
	Dir  bool
	Size int64
	// Back: there is something at the path again.
	Back bool
}

// Deleted returns what was deleted at and below the spot, the youngest first, at most limit, from revisions
// below before, or all if it is 0. What was only moved is left out, and what the caller may not
// read. Nothing expires.
func (h *Hub) Deleted(ctx context.Context, at *Spot, before svn.Revnum, limit int) ([]Deletion, error) {
	v := at.v
	first := at.Folder.Head
	if before > 0 {
		first = min(before-1, first)
	}
	var all []Deletion
	for e, err := range v.repo.ledger.down(ctx, first, 1) {
		if err != nil {
			return nil, err
		}
		for i := range e.changes {
			c := &e.changes[i]
			p, ok := v.rel(c.Path)
			if c.Action != svn.ActionDelete || !ok || p == "" || v.movedAway(e, c.Path) {
				continue
			}
			if _, in := p.Rel(at.Path); !in || !v.reach.reads(v.inFolder(p)) {
				continue
			}
			d, err := v.deletion(ctx, e, p, at.Folder.Head)
			if err != nil {
				return nil, explain(err, p)
			}
			if d != nil {
				all = append(all, *d)
			}
			if len(all) >= limit {
				return all, nil
			}
		}
	}
	return all, nil
}

// movedAway says whether the revision copied what it deleted at the path.
func (v *view) movedAway(e *ledgerEntry, abs svn.Path) bool {
	return slices.ContainsFunc(e.changes, func(c svn.PathChange) bool { return c.CopyFrom != nil && c.CopyFrom.Path == abs })
}

func (v *view) deletion(ctx context.Context, e *ledgerEntry, p svn.Path, head svn.Revnum) (*Deletion, error) {
	was, err := v.stat(ctx, p, e.Rev-1)
	if err != nil || was == nil {
		return nil, err
	}
	now, err := v.stat(ctx, p, head)
	if err != nil {
		return nil, err
	}
	return &Deletion{Act: e.Act, Path: p, Dir: was.Kind == svn.KindDir, Size: was.Size, Back: now != nil}, nil
}

// Doing is what one revision did, as the activity shows it.
type Doing struct {
	Act
	Folder havre.Folder
	Things []Thing // at most maxThings
	More   int     // how many further ones
}

// Thing is one path of a Doing.
type Thing struct {
	Path svn.Path
	What Deed
	From svn.Path // of DeedMoved and DeedCopied; "" if the caller may not read it
	Dir  bool
}

// Deed is what was done to something.
type Deed string

// The deeds.
const (
	DeedAdded   Deed = "added"
	DeedChanged Deed = "changed"
	DeedDeleted Deed = "deleted"
	DeedMoved   Deed = "moved"
	DeedCopied  Deed = "copied"
)

// maxThings is how many paths of one revision are listed.
const maxThings = 50

// ActivityFilter chooses what Activity returns.
type ActivityFilter struct {
	Author string
	Deed   Deed
	From   time.Time
	Until  time.Time
	Before svn.Revnum // revisions below it; 0: from the youngest on
	Limit  int
}

// Activity returns what was done at and below the spot, the youngest first, as far as the caller may read
// it. next is where to go on, 0 at the end.
func (h *Hub) Activity(ctx context.Context, at *Spot, f ActivityFilter) (list []Doing, next svn.Revnum, err error) {
	first := at.Folder.Head
	if f.Before > 0 {
		first = min(f.Before-1, first)
	}
	for e, err := range at.v.repo.ledger.down(ctx, first, 1) {
		if err != nil {
			return nil, 0, err
		}
		if !f.From.IsZero() && e.Time.Before(f.From) {
			break
		}
		if f.Author != "" && !strings.EqualFold(e.Author, f.Author) || !f.Until.IsZero() && !e.Time.Before(f.Until) {
			continue
		}
		d := at.doing(e, f.Deed)
		if len(d.Things) == 0 {
			continue
		}
		if list = append(list, d); len(list) >= f.Limit {
			return list, e.Rev, nil
		}
	}
	return list, 0, nil
}

func (at *Spot) doing(e *ledgerEntry, only Deed) Doing {
	v := at.v
	d := Doing{Act: e.Act, Folder: at.Folder}
	for i := range e.changes {
		c := &e.changes[i]
		p, ok := v.rel(c.Path)
		if !ok || p == "" || !v.reach.reads(v.inFolder(p)) {
			continue
		}
		if _, in := p.Rel(at.Path); !in {
			continue
		}
		t := Thing{Path: p, Dir: c.Kind == svn.KindDir}
		switch {
		case c.Action == svn.ActionDelete:
			if v.movedAway(e, c.Path) {
				continue
			}
			t.What = DeedDeleted
		case c.CopyFrom != nil:
			t.What = DeedCopied
			if slices.ContainsFunc(e.changes, func(o svn.PathChange) bool { return o.Action == svn.ActionDelete && o.Path == c.CopyFrom.Path }) {
				t.What = DeedMoved
			}
			if from, ok := v.rel(c.CopyFrom.Path); ok && v.reach.reads(v.inFolder(from)) {
				t.From = from
			}
		case c.Action == svn.ActionAdd:
			t.What = DeedAdded
		default:
			t.What = DeedChanged
		}
		if only != "" && t.What != only {
			continue
		}
		if len(d.Things) < maxThings {
			d.Things = append(d.Things, t)
		} else {
			d.More++
		}
	}
	return d
}

// Bucket is one bar of a time line.
type Bucket struct {
	From  time.Time
	Files int        // changed paths
	Rev   svn.Revnum // the youngest revision in it, 0 if there is none
}

// Timeline counts the changed paths at and below the spot in n buckets of equal length that end at the
// moment until.
func (h *Hub) Timeline(ctx context.Context, at *Spot, until time.Time, length time.Duration, n int) ([]Bucket, error) {
	start := until.Add(-time.Duration(n) * length)
	buckets := make([]Bucket, n)
	for i := range buckets {
		buckets[i].From = start.Add(time.Duration(i) * length)
	}
	for e, err := range at.v.repo.ledger.down(ctx, at.Folder.Head, 1) {
		if err != nil {
			return nil, err
		}
		if e.Time.Before(start) {
			break
		}
		i := int(e.Time.Sub(start) / length)
		if i >= n {
			continue
		}
		if count := at.touches(e); count > 0 {
			buckets[i].Files += count
			buckets[i].Rev = max(buckets[i].Rev, e.Rev)
		}
	}
	return buckets, nil
}

// touches returns how many paths at or below the spot the revision changed that the caller may read; a
// change above it that brought it here counts as one.
func (at *Spot) touches(e *ledgerEntry) int {
	n := 0
	for i := range e.changes {
		p, ok := at.v.rel(e.changes[i].Path)
		if !ok {
			continue
		}
		if _, in := p.Rel(at.Path); in && at.v.reach.reads(at.v.inFolder(p)) {
			n++
		} else if _, above := at.Path.Rel(p); above && e.changes[i].Action != svn.ActionModify {
			n++
		}
	}
	return n
}

// Difference is how an entry of a directory was at a moment, beside how it is now.
type Difference struct {
	Then, Now *Entry // nil: it was not there, is not there
}

// Changed says whether the two differ.
func (d *Difference) Changed() bool {
	return d.Then == nil || d.Now == nil || d.Then.Kind != d.Now.Kind || d.Then.Hash != d.Now.Hash ||
		d.Then.Kind == havre.KindDir && d.Then.Changed.Rev != d.Now.Changed.Rev
}

// Differences compares the directory at two revisions, entry by entry, in the order of names.
func (h *Hub) Differences(ctx context.Context, c *havre.Caller, then *Spot) ([]Difference, error) {
	was, err := h.Entries(ctx, then)
	if err != nil {
		return nil, err
	}
	var is []*Entry
	now, err := h.Spot(ctx, c, then.Folder.Name, then.Path, svn.InvalidRevnum)
	if err == nil {
		is, err = h.Entries(ctx, now)
	}
	if err != nil && havre.CodeOf(err) != havre.CodeNotFound {
		return nil, err
	}
	present := make(map[string]*Entry, len(is))
	for _, e := range is {
		present[e.Name] = e
	}
	var all []Difference
	for _, e := range was {
		all = append(all, Difference{Then: e, Now: present[e.Name]})
		delete(present, e.Name)
	}
	for _, e := range is {
		if present[e.Name] != nil {
			all = append(all, Difference{Now: e})
		}
	}
	return all, nil
}
