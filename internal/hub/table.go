package hub

import (
	"context"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// Holder is who can have a right: a person or a group.
type Holder struct {
	User  havre.UserID // this
	Group string       // or this
}

// GrantPlace is a path of a folder.
type GrantPlace struct {
	Folder havre.FolderID
	Path   svn.Path
}

// Book is everything that decides who may do what, at one moment. With makes another one. It is for one
// goroutine.
type Book struct {
	Users   []store.User   // by name
	Groups  []store.Group  // by name
	Folders []store.Folder // by name, without archived ones
	Grants  []store.Grant  // of those folders

	around map[string][]string // the groups that a group is in, at whatever depth, and itself
	mine   map[Holder][]store.Grant
	reach  map[Holder]map[havre.FolderID]*reach
}

// Book reads who may do what.
func (a *Admin) Book(ctx context.Context) (*Book, error) { return readBook(ctx, a.store) }

// FolderBook is Book with the one folder only; the caller has to manage it, or a path in it, or administer.
func (h *Hub) FolderBook(ctx context.Context, folder havre.FolderID) (*Book, error) {
	b, err := readBook(ctx, h.store)
	if err != nil {
		return nil, err
	}
	b.Folders = slices.DeleteFunc(b.Folders, func(f store.Folder) bool { return f.ID != folder })
	b.Grants = slices.DeleteFunc(b.Grants, func(g store.Grant) bool { return g.Folder != folder })
	return b, nil
}

func readBook(ctx context.Context, s *store.Store) (*Book, error) {
	b := &Book{}
	var err error
	if b.Users, err = s.Users(ctx); err != nil {
		return nil, err
	}
	if b.Groups, err = s.Groups(ctx); err != nil {
		return nil, err
	}
	if b.Folders, err = s.Folders(ctx); err != nil {
		return nil, err
	}
	if b.Grants, err = s.AllGrants(ctx); err != nil {
		return nil, err
	}
	used := map[havre.FolderID]bool{}
	b.Folders = slices.DeleteFunc(b.Folders, func(f store.Folder) bool { return !f.Archived.IsZero() })
	for _, f := range b.Folders {
		used[f.ID] = true
	}
	b.Grants = slices.DeleteFunc(b.Grants, func(g store.Grant) bool { return !used[g.Folder] })
	b.index()
	return b, nil
}

// index computes which groups are in which.
func (b *Book) index() {
	outer := map[string][]string{}
	for _, g := range b.Groups {
		for _, m := range g.Groups {
			outer[m] = append(outer[m], g.ID)
		}
	}
	b.around, b.mine = map[string][]string{}, map[Holder][]store.Grant{}
	b.reach = map[Holder]map[havre.FolderID]*reach{}
	for _, g := range b.Groups {
		all := []string{g.ID}
		for i := 0; i < len(all); i++ {
			for _, o := range outer[all[i]] {
				if !slices.Contains(all, o) {
					all = append(all, o)
				}
			}
		}
		b.around[g.ID] = all
	}
}

// With returns the book as it is once the changes are made.
func (b *Book) With(changes []store.GrantChange) *Book {
	if len(changes) == 0 {
		return b
	}
	n := &Book{Users: b.Users, Groups: b.Groups, Folders: b.Folders, Grants: slices.Clone(b.Grants)}
	for _, c := range changes {
		i := slices.IndexFunc(n.Grants, func(g store.Grant) bool { return g.SameHolder(&c.Grant) })
		switch {
		case i >= 0 && c.Remove:
			n.Grants = slices.Delete(n.Grants, i, i+1)
		case i >= 0:
			n.Grants[i].Right = c.Grant.Right
		case !c.Remove:
			n.Grants = append(n.Grants, c.Grant)
		}
	}
	n.index()
	return n
}

// of returns the grants that the holder has, himself or through groups.
func (b *Book) of(h Holder) []store.Grant {
	if g, ok := b.mine[h]; ok {
		return g
	}
	var groups []string
	if h.Group != "" {
		groups = b.around[h.Group]
	} else {
		for _, g := range b.Groups {
			if slices.Contains(g.Members, h.User) {
				groups = append(groups, b.around[g.ID]...)
			}
		}
	}
	var mine []store.Grant
	for _, g := range b.Grants {
		if (g.User != "" && g.User == h.User) || (g.Group != "" && slices.Contains(groups, g.Group)) {
			mine = append(mine, g)
		}
	}
	b.mine[h] = mine
	return mine
}

// reachOf returns what the holder may do where in the folder.
func (b *Book) reachOf(h Holder, folder havre.FolderID) *reach {
	if b.reach[h] == nil {
		b.reach[h] = map[havre.FolderID]*reach{}
	}
	if b.reach[h][folder] == nil {
		b.reach[h][folder] = newReach(b.of(h), folder)
	}
	return b.reach[h][folder]
}

// Cell is what a holder may do at a place, and whether that is set there.
type Cell struct {
	Right havre.Right // that counts; of what is set here, if Set
	Set   bool        // here, for exactly this holder
	Any   bool        // something decides, even if it decides for none
	Below bool        // nothing here, but something further down
	Grant store.Grant // what is set here, if Set
}

// At returns what the holder may do at the place.
func (b *Book) At(h Holder, p GrantPlace) Cell {
	grants := b.of(h)
	c := Cell{Right: b.reachOf(h, p.Folder).right(p.Path)}
	for _, g := range grants {
		if g.Folder != p.Folder {
			continue
		}
		if g.Path == p.Path && g.User == h.User && g.Group == h.Group {
			c.Set, c.Grant, c.Right = true, g, g.Right
		}
		if _, above := p.Path.Rel(g.Path); above {
			c.Any = true
		} else if _, below := g.Path.Rel(p.Path); below && g.Right > havre.RightNone {
			c.Below = true
		}
	}
	c.Below = c.Below && c.Right == havre.RightNone && !c.Set
	return c
}

// Places returns the folders and all paths in them at which a right is set, with the directories between
// and the extra ones, in the order of a tree.
func (b *Book) Places(extra []GrantPlace) []GrantPlace {
	var all []GrantPlace
	for _, f := range b.Folders {
		paths := map[svn.Path]bool{"": true}
		add := func(folder havre.FolderID, p svn.Path) {
			for ; folder == f.ID && p != ""; p = p.Dir() {
				paths[p] = true
			}
		}
		for _, g := range b.Grants {
			add(g.Folder, g.Path)
		}
		for _, e := range extra {
			add(e.Folder, e.Path)
		}
		sorted := make([]svn.Path, 0, len(paths))
		for p := range paths {
			sorted = append(sorted, p)
		}
		slices.SortFunc(sorted, svn.Path.Compare)
		for _, p := range sorted {
			all = append(all, GrantPlace{Folder: f.ID, Path: p})
		}
	}
	return all
}

// Exceptions returns the places below the folders themselves at which a right is set.
func (b *Book) Exceptions() []GrantPlace {
	var all []GrantPlace
	for _, p := range b.Places(nil) {
		if p.Path != "" && slices.ContainsFunc(b.Grants, func(g store.Grant) bool { return g.Folder == p.Folder && g.Path == p.Path }) {
			all = append(all, p)
		}
	}
	return all
}

// GrantMarks returns the names of the entries of a directory at which rights are set, for the caller who may
// manage there; nobody else is told.
func (h *Hub) GrantMarks(ctx context.Context, c *havre.Caller, folder havre.FolderID, dir svn.Path) (map[string]bool, error) {
	may, err := h.MayManage(ctx, c, folder, dir)
	if err != nil || !may {
		return nil, err
	}
	grants, err := h.store.Grants(ctx, folder)
	if err != nil {
		return nil, err
	}
	marks := map[string]bool{}
	for _, g := range grants {
		if rest, below := g.Path.Rel(dir); below && rest != "" && !strings.Contains(string(rest), "/") {
			marks[string(rest)] = true
		}
	}
	return marks, nil
}

// People returns how many people are in the group, at whatever depth.
func (b *Book) People(group string) int {
	in := map[havre.UserID]bool{}
	for _, g := range b.Groups {
		if slices.Contains(b.around[g.ID], group) {
			for _, u := range g.Members {
				in[u] = true
			}
		}
	}
	return len(in)
}
