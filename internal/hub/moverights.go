package hub

import (
	"context"
	"errors"
	"slices"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// Rights are set on paths. When a directory is renamed they must go with it, or what was closed to somebody
// would be open under its new name. So they are set at the new path before the commit, and taken away
// at the old one after it: whatever happens in between, nothing is open that was not before.

// movedRights are the rights that go with the moves of one commit.
type movedRights struct {
	store *store.Store
	old   []store.Grant // to go when it is committed
	made  []store.Grant // to go when it is not
}

// moveRights sets the rights of what the plan moves also where it will be. If it is not known whether the
// commit was made, both stay.
func (h *Hub) moveRights(ctx context.Context, p *plan) (*movedRights, error) {
	m := &movedRights{store: h.store}
	moves := p.moves()
	if len(moves) == 0 {
		return m, nil
	}
	all, err := h.store.Grants(ctx, p.v.folder.ID)
	if err != nil {
		return nil, err
	}
	for _, mv := range moves {
		from := p.v.inFolder(mv.From)
		if !slices.ContainsFunc(all, func(g store.Grant) bool { _, in := g.Path.Rel(from); return in }) {
			continue
		}
		old, made, err := h.store.CopyGrants(ctx, actor(p.caller), p.v.folder.ID, from, p.v.inFolder(mv.To))
		if err != nil {
			return nil, errors.Join(err, m.undo(ctx))
		}
		m.made = append(m.made, made...)
		if !overlaps(moves, mv.From) {
			m.old = append(m.old, old...)
		}
	}
	if len(m.made) > 0 {
		h.access.forget()
	}
	return m, nil
}

// overlaps says whether something is moved to where the path is, or into it.
func overlaps(moves []havre.Move, p svn.Path) bool {
	for _, m := range moves {
		_, in := m.To.Rel(p)
		_, around := p.Rel(m.To)
		if in || around {
			return true
		}
	}
	return false
}

// moves returns what the plan moves: copies whose source it deletes.
func (p *plan) moves() []havre.Move {
	var moves []havre.Move
	gone := map[svn.Path]bool{}
	for i := range p.commit.Changes {
		if c := &p.commit.Changes[i]; c.Kind == havre.ChangeDelete && p.refused[i] == 0 {
			gone[c.Path] = true
		}
	}
	for i := range p.commit.Changes {
		c := &p.commit.Changes[i]
		if c.Kind == havre.ChangeCopy && p.refused[i] == 0 && within(gone, c.CopyFrom.Path) {
			moves = append(moves, havre.Move{From: c.CopyFrom.Path, To: c.Path})
		}
	}
	return moves
}

// done takes the rights away where things were. The commit is made: that it ends does not depend on the
// request any more.
func (m *movedRights) done(ctx context.Context) error {
	return m.store.DropGrants(context.WithoutCancel(ctx), m.old)
}

// undo takes the rights away where nothing came to be.
func (m *movedRights) undo(ctx context.Context) error {
	return m.store.DropGrants(context.WithoutCancel(ctx), m.made)
}
