package hub

import (
	"context"
	"fmt"
	"slices"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Touch is a revision that changed something at or below a place.
type Touch struct {
	Act
	Files int      // changed paths that the caller may read
	Path  svn.Path // the first of them
	Deed  Deed     // what was done to it
}

// Touches returns the revisions that changed something at or below the spot, the youngest first, from the
// youngest of the folder on, at most limit; more says that there are older ones.
func (h *Hub) Touches(ctx context.Context, at *Spot, limit int) (list []Touch, more bool, err error) {
	for e, err := range at.v.repo.ledger.down(ctx, at.Folder.Head, 1) {
		if err != nil {
			return nil, false, err
		}
		n := at.touches(e)
		if n == 0 {
			continue
		}
		if len(list) == limit {
			return list, true, nil
		}
		t := Touch{Act: e.Act, Files: n, Path: at.Path, Deed: DeedChanged}
		if d := at.doing(e, ""); len(d.Things) > 0 {
			t.Path, t.Deed = d.Things[0].Path, d.Things[0].What
		}
		list = append(list, t)
	}
	return list, false, nil
}

// Since is what has become of an entry of a directory after a revision.
type Since struct {
	Changes int      // revisions' changes of it, or of what is in it
	Added   int      // of Changes: how many paths were added in it
	Deleted *Act     // who deleted it; nil if it is still there
	Now     svn.Path // where it is now, "" if it was deleted
}

// SinceThen follows the entries of the directory at the spot, which is in the past, to the youngest revision,
// through renames. Places that the caller may not read count as gone.
func (h *Hub) SinceThen(ctx context.Context, at *Spot, entries []*Entry) (map[string]*Since, error) {
	found := make(map[string]*Since, len(entries))
	where := make(map[svn.Path]*Since, len(entries)) // by the path in the folder
	for _, e := range entries {
		s := &Since{Now: e.Path}
		found[e.Name], where[e.Path] = s, s
	}
	var revs []*ledgerEntry
	for e, err := range at.v.repo.ledger.down(ctx, at.Folder.Head, at.Rev+1) {
		if err != nil {
			return nil, err
		}
		revs = append(revs, e)
	}
	for _, e := range slices.Backward(revs) {
		at.v.follow(e, where)
	}
	for _, s := range found {
		if s.Now != "" && !at.v.reach.reads(at.v.inFolder(s.Now)) {
			s.Now = ""
		}
	}
	return found, nil
}

// follow moves what is at the places of where as the revision did.
func (v *view) follow(e *ledgerEntry, where map[svn.Path]*Since) {
	type arrival struct {
		to svn.Path
		s  *Since
	}
	var arrived []arrival
	var gone []*svn.PathChange
	for i := range e.changes {
		c := &e.changes[i]
		if c.Action == svn.ActionDelete || c.Action == svn.ActionReplace {
			gone = append(gone, c)
		}
	}
	for _, c := range gone {
		p, ok := v.rel(c.Path)
		if !ok {
			continue
		}
		for at, s := range inside(where, p) {
			if c.Action == svn.ActionReplace && at == p {
				s.Changes++ // another version, or an older one brought back
				continue
			}
			delete(where, at)
			if to, moved := v.movedTo(e, at); moved {
				s.Now = to
				arrived = append(arrived, arrival{to, s})
				continue
			}
			act := e.Act
			s.Now, s.Deleted = "", &act
		}
	}
	for _, a := range arrived {
		where[a.to] = a.s
	}
	for i := range e.changes {
		c := &e.changes[i]
		p, ok := v.rel(c.Path)
		if !ok || !v.reach.reads(v.inFolder(p)) {
			continue
		}
		for at := p; at != ""; at = at.Dir() {
			if s := where[at]; s != nil {
				if at != p || c.Action == svn.ActionModify {
					s.Changes++
				}
				if at != p && c.Action == svn.ActionAdd {
					s.Added++
				}
				break
			}
		}
	}
}

// inside returns what is at p and below it.
func inside(where map[svn.Path]*Since, p svn.Path) map[svn.Path]*Since {
	if s := where[p]; s != nil {
		return map[svn.Path]*Since{p: s}
	}
	in := map[svn.Path]*Since{}
	for at, s := range where {
		if _, below := at.Rel(p); below {
			in[at] = s
		}
	}
	return in
}

// movedTo returns where the revision copied to what it took away at p.
func (v *view) movedTo(e *ledgerEntry, p svn.Path) (svn.Path, bool) {
	abs := v.abs(p)
	for i := range e.changes {
		c := &e.changes[i]
		if c.CopyFrom == nil {
			continue
		}
		below, in := abs.Rel(c.CopyFrom.Path)
		if !in {
			continue
		}
		to, ok := v.rel(c.Path.Join(string(below)))
		return to, ok
	}
	return "", false
}

// Renames takes out of the plan what is only called otherwise today: it takes its old name again, with its
// contents of then, and what is at the new name goes.
func (r *RestorePlan) Renames(then map[string]*Since, at *Spot) {
	for name, s := range then {
		old := at.Path.Join(name)
		if s.Now == "" || s.Now == old || !slices.Contains(r.Returning, old) {
			continue
		}
		r.Returning = slices.DeleteFunc(r.Returning, func(q svn.Path) bool { return q == old })
		r.Newer = slices.DeleteFunc(r.Newer, func(q svn.Path) bool { return q == s.Now })
		r.deletions = slices.DeleteFunc(r.deletions, func(c havre.Change) bool { return c.Path == s.Now })
		r.Names = append(r.Names, Transfer{From: s.Now, To: old})
		r.changes = append(r.changes, havre.Change{Kind: havre.ChangeDelete, Path: s.Now, Base: at.Folder.Head})
	}
	slices.SortFunc(r.Names, func(a, b Transfer) int { return a.To.Compare(b.To) })
}

// RestoreVersion makes an older version of the file at the spot the newest one; path is where it was then.
func (h *Hub) RestoreVersion(ctx context.Context, c *havre.Caller, now *Spot, path svn.Path, rev svn.Revnum) (*Done, error) {
	return h.do(ctx, c, now, fmt.Sprintf(restoredFrom, rev), []havre.Change{
		{Kind: havre.ChangeDelete, Path: now.Path, Base: now.Folder.Head},
		{Kind: havre.ChangeCopy, Path: now.Path, Base: svn.InvalidRevnum, CopyFrom: svn.CopySource{Path: path, Rev: rev}},
	})
}
