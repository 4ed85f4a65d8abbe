package hub

import (
	"context"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Mark is what a list says of an entry beside its name.
type Mark struct {
	Rights   bool   `json:",omitempty"` // somebody's rights are set at this place
	Backup   bool   `json:",omitempty"` // online documents are backed up into it
	ReadOnly bool   `json:",omitempty"` // the person may change what is around it, and not it
	Lock     string `json:",omitempty"` // the name of who holds a Subversion lock on it
}

// locker is a repository that knows what is locked in it.
type locker interface {
	Locks(ctx context.Context, dir svn.Path) ([]*svn.LockedError, error)
}

// Marks returns what is to be said of entries of a directory, by their names; most have none. Whose rights are set
// where is for those who manage it. Locks are known of repositories on the server's disks: other servers would have to
// be asked each time.
func (h *Hub) Marks(ctx context.Context, at *Spot) (map[string]Mark, error) {
	marks := map[string]Mark{}
	mark := func(p svn.Path, set func(*Mark)) {
		if p == "" || p.Dir() != at.Path || at.Past {
			return
		}
		m := marks[p.Name()]
		set(&m)
		marks[p.Name()] = m
	}
	reach := at.v.reach
	for _, p := range reach.paths {
		if at.Right >= havre.RightWrite && reach.at[p] == havre.RightRead {
			mark(p, func(m *Mark) { m.ReadOnly = true })
		}
	}
	grants, err := h.store.Grants(ctx, at.Folder.ID)
	if err != nil {
		return nil, err
	}
	for i := range grants {
		if p := grants[i].Path; reach.right(p) >= havre.RightManage {
			mark(p, func(m *Mark) { m.Rights = true })
		}
	}
	places, err := h.store.SourcePlaces(ctx, at.Folder.ID)
	if err != nil {
		return nil, err
	}
	for _, p := range places {
		mark(p, func(m *Mark) { m.Backup = true })
	}
	return marks, h.markLocks(ctx, at, mark)
}

func (h *Hub) markLocks(ctx context.Context, at *Spot, mark func(svn.Path, func(*Mark))) error {
	repo := at.v.repo.Repository
	if with, ok := repo.(*hooked); ok {
		repo = with.Repository
	}
	l, ok := repo.(locker)
	if !ok || at.Past {
		return nil
	}
	locks, err := l.Locks(ctx, at.v.abs(at.Path))
	if err != nil {
		return explain(err, at.Path)
	}
	for _, lock := range locks {
		if p, ok := at.v.rel(lock.Path); ok && at.v.sees(p, false) {
			mark(p, func(m *Mark) { m.Lock = lock.Owner })
		}
	}
	return nil
}
