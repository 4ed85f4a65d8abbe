package hub

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Spot is something in a folder as the pages ask for it: by the folder's name.
type Spot struct {
	Folder havre.Folder
	Path   svn.Path
	Rev    svn.Revnum // as of; the youngest if it was not asked for
	Past   bool       // another revision than the youngest was asked for
	Right  havre.Right
	Node   *Entry // nil for the folder itself
	ID     string // another one when anything at or below the place is another; "" if nobody knows

	v      *view
	absent bool // the folder lies in a directory that is not there
}

// Scope is that of the folder.
func (at *Spot) Scope() havre.Scope { return havre.Scope{Folder: at.Folder.ID} }

// Dir says whether the place is a directory.
func (at *Spot) Dir() bool { return at.Node == nil || at.Node.Kind == havre.KindDir }

// Shape tells two people who may read the same from others.
func (at *Spot) Shape() string { return at.v.reach.shape }

// Entry is something in a directory, with who changed it last.
type Entry struct {
	Name string
	Path svn.Path
	havre.Entry
	Changed Act // the revision in which it, or something in it, last changed
	Items   int // of a directory: how many entries it shows
	Right   havre.Right
	// Bare: the person may not read it, only something in it.
	Bare bool
	// ConflictOf is the name of the file beside it of which this is a conflict copy.
	ConflictOf string
}

// Ext returns the ending of the name in lower case, without the dot.
func (e *Entry) Ext() string {
	if i := strings.LastIndexByte(e.Name, '.'); i > 0 {
		return strings.ToLower(e.Name[i+1:])
	}
	return ""
}

// Spot finds a path of the folder with that name at a revision, svn.InvalidRevnum for the youngest. What
// is not there and what the caller may not read are havre.CodeNotFound alike.
func (h *Hub) Spot(ctx context.Context, c *havre.Caller, folder string, p svn.Path, rev svn.Revnum) (*Spot, error) {
	missing := havre.Errorf(havre.CodeNotFound, "there is nothing at this address, or it is not open to you")
	if _, err := svn.CheckPath(string(p)); err != nil || isReserved(p) {
		return nil, missing
	}
	f, err := h.store.FolderByName(ctx, folder)
	if err != nil {
		return nil, err
	}
	v, err := h.view(ctx, c, havre.Scope{Folder: f.ID})
	if havre.CodeOf(err) == havre.CodeDenied && err != nil {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	head, err := v.repo.Youngest(ctx)
	if err != nil {
		return nil, err
	}
	if rev > head {
		return nil, missing
	}
	at := &Spot{
		Folder: havre.Folder{ID: f.ID, Name: f.Name, Repository: v.repo.UUID(), Head: head, Right: v.reach.right("")},
		Path:   p, Rev: rev, Past: rev >= 0, Right: v.reach.right(p), v: v,
	}
	if !at.Past {
		at.Rev = head
	}
	n, err := v.stat(ctx, p, at.Rev)
	if err != nil {
		return nil, explain(err, p)
	}
	if n == nil {
		if p == "" {
			at.absent = true
			return at, nil
		}
		return nil, missing
	}
	if !v.reach.sees(v.inFolder(p), n.Kind == svn.KindDir) {
		return nil, missing
	}
	// Servers give nodes no ID, but the revision in which a directory was created is that of the last change in it.
	at.ID = cmp.Or(n.ID, fmt.Sprintf("%s@%d", n.Path, n.CreatedRev))
	if p != "" {
		if at.Node, err = v.browse(ctx, n, at.Rev); err != nil {
			return nil, explain(err, p)
		}
	}
	return at, nil
}

// browse makes an entry of a node.
func (v *view) browse(ctx context.Context, n *svn.Node, rev svn.Revnum) (*Entry, error) {
	p, _ := v.rel(n.Path)
	e := &Entry{Name: p.Name(), Path: p, Right: v.right(p)}
	e.Bare = e.Right < havre.RightRead
	var err error
	if e.Entry, err = v.entry(ctx, n, rev); err != nil {
		return nil, err
	}
	if e.Bare || n.Kind == svn.KindDir && !v.seesAll(p) {
		return e, nil // who changed what in it may not be for this person
	}
	if e.Changed, err = v.repo.ledger.act(ctx, n.CreatedRev); err != nil {
		return nil, err
	}
	return e, nil
}

// maxCounted bounds for how many subdirectories of one directory the entries are counted.
const maxCounted = 500

// Entries returns what the caller sees in the directory, by name, directories first.
func (h *Hub) Entries(ctx context.Context, at *Spot) ([]*Entry, error) {
	v := at.v
	var all []*Entry
	if at.absent {
		return nil, nil
	}
	dirs := 0
	for n, err := range v.repo.List(ctx, v.abs(at.Path), at.Rev, true) {
		if err != nil {
			return nil, explain(err, at.Path)
		}
		p, ok := v.rel(n.Path)
		if !ok || !v.reach.sees(v.inFolder(p), n.Kind == svn.KindDir) {
			continue
		}
		e, err := v.browse(ctx, n, at.Rev)
		if err != nil {
			return nil, explain(err, p)
		}
		if e.Kind == havre.KindDir {
			if dirs++; dirs <= maxCounted {
				if e.Items, err = v.count(ctx, p, at.Rev); err != nil {
					return nil, explain(err, p)
				}
			} else {
				e.Items = -1
			}
		}
		all = append(all, e)
	}
	markConflicts(all)
	return all, nil
}

// count returns how many entries of a directory the caller sees.
func (v *view) count(ctx context.Context, p svn.Path, rev svn.Revnum) (int, error) {
	count := 0
	for n, err := range v.repo.List(ctx, v.abs(p), rev, false) {
		if err != nil {
			return 0, err
		}
		if q, ok := v.rel(n.Path); ok && v.reach.sees(v.inFolder(q), n.Kind == svn.KindDir) {
			count++
		}
	}
	return count, nil
}

// markConflicts finds the conflict copies that are beside their originals.
func markConflicts(all []*Entry) {
	names := make(map[string]bool, len(all))
	for _, e := range all {
		names[e.Name] = true
	}
	for _, e := range all {
		if original := ConflictOriginal(e.Name); names[original] {
			e.ConflictOf = original
		}
	}
}

// SortKey says by what entries are sorted.
type SortKey string

// The keys.
const (
	SortName    SortKey = "name"
	SortChanged SortKey = "changed"
	SortSize    SortKey = "size"
	SortKind    SortKey = "kind"
)

// SortEntries sorts directories before files, and both by the key; conflict copies follow their original.
func SortEntries(all []*Entry, by SortKey, down bool, compare func(a, b string) int) {
	original := make(map[string]*Entry, len(all))
	for _, e := range all {
		original[e.Name] = e
	}
	lead := func(e *Entry) *Entry {
		if e.ConflictOf == "" {
			return e
		}
		if o := original[e.ConflictOf]; o != nil {
			return o
		}
		return e
	}
	slices.SortStableFunc(all, func(a, b *Entry) int {
		la, lb := lead(a), lead(b)
		if la == lb {
			switch {
			case a == la:
				return -1
			case b == lb:
				return 1
			}
			return compare(a.Name, b.Name)
		}
		if da, db := la.Kind == havre.KindDir, lb.Kind == havre.KindDir; da != db {
			if da {
				return -1
			}
			return 1
		}
		n := 0
		switch by {
		case SortChanged:
			n = la.Changed.Time.Compare(lb.Changed.Time)
		case SortSize:
			n = cmp.Compare(la.Size+int64(la.Items), lb.Size+int64(lb.Items))
		case SortKind:
			n = strings.Compare(la.Ext(), lb.Ext())
		case SortName:
		}
		if n == 0 {
			n = compare(la.Name, lb.Name)
			if by != SortName {
				return n
			}
		}
		if down {
			n = -n
		}
		return n
	})
}

// OpenSpot returns the contents of the file at the place.
func (h *Hub) OpenSpot(ctx context.Context, at *Spot) (svn.File, error) {
	return at.v.openFile(ctx, havre.FileVersion{Path: at.Path, Rev: at.Rev})
}

// OpenIn returns the contents of a file below the place, as of the same revision.
func (h *Hub) OpenIn(ctx context.Context, at *Spot, p svn.Path) (svn.File, error) {
	return at.v.openFile(ctx, havre.FileVersion{Path: p, Rev: at.Rev})
}

// WalkSpot calls do for everything that the caller may read at and below the place, in the order of a
// walk, until it fails.
func (h *Hub) WalkSpot(ctx context.Context, at *Spot, do func(p svn.Path, e havre.Entry) error) error {
	for n, err := range at.v.walk(ctx, at.Path, at.Rev, "") {
		if err != nil {
			return explain(err, at.Path)
		}
		p, ok := at.v.rel(n.Path)
		if !ok || !at.v.reach.reads(at.v.inFolder(p)) {
			continue
		}
		e, err := at.v.entry(ctx, n, at.Rev)
		if err != nil {
			return explain(err, p)
		}
		if err := do(p, e); err != nil {
			return err
		}
	}
	return nil
}

// Act returns who made a revision of the folder.
func (h *Hub) Act(ctx context.Context, at *Spot, rev svn.Revnum) (Act, error) {
	if rev > at.Folder.Head {
		return Act{}, havre.Errorf(havre.CodeNotFound, "the folder has no such revision")
	}
	return at.v.repo.ledger.act(ctx, max(rev, 0))
}

// RevisionAt returns the youngest revision of the folder at that moment.
func (h *Hub) RevisionAt(ctx context.Context, at *Spot, moment time.Time) (svn.Revnum, error) {
	return at.v.repo.ledger.at(ctx, moment, at.Folder.Head)
}

// FreeName returns the name, or, if something in the directory has it, the name with a number: "a 2.txt".
func FreeName(name string, taken func(string) bool) string {
	if !taken(name) {
		return name
	}
	ext := path.Ext(name)
	if ext == name {
		ext = ""
	}
	stem := strings.TrimSuffix(name, ext)
	for n := 2; ; n++ {
		if next := fmt.Sprintf("%s %d%s", stem, n, ext); !taken(next) {
			return next
		}
	}
}

// Directories returns the paths of directories in which the caller may write, nearest to the root
// first, at most limit, without those in or below without.
func (h *Hub) Directories(ctx context.Context, c *havre.Caller, folder string, limit int, without map[svn.Path]bool) ([]string, error) {
	at, err := h.Spot(ctx, c, folder, "", svn.InvalidRevnum)
	if err != nil {
		return nil, err
	}
	var list []string
	for level := []svn.Path{""}; len(level) > 0 && len(list) < limit; {
		var next []svn.Path
		for _, p := range level {
			if at.v.right(p) >= havre.RightWrite {
				list = append(list, string(p))
			}
			for n, err := range at.v.repo.List(ctx, at.v.abs(p), at.Rev, false) {
				if err != nil {
					return nil, explain(err, p)
				}
				q, ok := at.v.rel(n.Path)
				if ok && n.Kind == svn.KindDir && !without[q] && at.v.reach.sees(at.v.inFolder(q), true) && len(next) < limit {
					next = append(next, q)
				}
			}
		}
		level = next
	}
	slices.Sort(list)
	return list, nil
}

// FullNames returns the names of all people, those who have been deleted excepted, by their logins.
func (h *Hub) FullNames(ctx context.Context) (map[string]string, error) {
	users, err := h.store.Users(ctx)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(users))
	for i := range users {
		names[users[i].Name] = users[i].DisplayName
	}
	return names, nil
}

// Below counts the files in and below the paths of the directory at the spot, and their bytes, up to limit files.
func (h *Hub) Below(ctx context.Context, at *Spot, paths []svn.Path, limit int) (files int, bytes int64, err error) {
	for _, p := range paths {
		for n, err := range at.v.walk(ctx, p, at.Rev, "") {
			if err != nil {
				return files, bytes, explain(err, p)
			}
			q, ok := at.v.rel(n.Path)
			if !ok || n.Kind != svn.KindFile || !at.v.reach.reads(at.v.inFolder(q)) {
				continue
			}
			files++
			if bytes += n.Size; files >= limit {
				return files, bytes, nil
			}
		}
	}
	return files, bytes, nil
}

// FileNames returns the names of the files beside the one at the spot that the caller may read, itself
// included.
func (h *Hub) FileNames(ctx context.Context, at *Spot) ([]string, error) {
	var names []string
	for n, err := range at.v.repo.List(ctx, at.v.abs(at.Path.Dir()), at.Rev, false) {
		if err != nil {
			return nil, explain(err, at.Path)
		}
		if p, ok := at.v.rel(n.Path); ok && n.Kind == svn.KindFile && at.v.reach.reads(at.v.inFolder(p)) {
			names = append(names, p.Name())
		}
	}
	return names, nil
}

// CacheDir returns the directory of a cache, which is made by who writes into it; it may be removed at any
// time.
func (h *Hub) CacheDir(name string) string { return filepath.Join(h.dir, "cache", name) }
