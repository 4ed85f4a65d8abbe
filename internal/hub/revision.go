package hub

import (
	"context"
	"slices"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// pushLimit is the size in bytes up to which contents go along with a revision.
const pushLimit = 64 << 10

// The size of one part of a revision: a part is sent when it has as many ops, or as many bytes of
// contents.
const (
	partOps   = 1000
	partBytes = 2 << 20
)

// chooser says whether the contents of a small file are sent along.
type chooser func(context.Context, *svn.Node) (bool, error)

func withAll(context.Context, *svn.Node) (bool, error)    { return true, nil }
func withoutAny(context.Context, *svn.Node) (bool, error) { return false, nil }

// translate calls send with what the revision changed in the view, in parts as havre.Revision has them;
// at least one, which is empty if nothing changed.
func translate(ctx context.Context, v *view, rev *svn.Revision, choose chooser, send func(*havre.Revision) error) error {
	t := &translation{v: v, rev: rev.Rev, choose: choose, send: send, added: map[svn.Path]*addition{}}
	t.part = havre.Revision{
		Rev: rev.Rev, Time: rev.Date(), Message: rev.Props[svn.PropLog],
		Origin: havre.Origin{
			Author: rev.Author(), Device: havre.DeviceID(rev.Props[propDevice]), CommitID: rev.Props[propCommit],
			Confirmed: rev.Props[propConfirmed] != "",
		},
	}
	if t.collect(rev.Changes) {
		if err := t.newRoot(ctx); err != nil {
			return err
		}
		return t.flush(false)
	}
	if err := t.findMoves(ctx); err != nil {
		return err
	}
	if err := t.remove(ctx); err != nil {
		return err
	}
	for len(t.todo) > 0 {
		if err := t.next(ctx); err != nil {
			return err
		}
	}
	return t.flush(false)
}

// translation is one run of translate.
type translation struct {
	v      *view
	rev    svn.Revnum
	choose chooser
	send   func(*havre.Revision) error

	todo  []svn.PathChange       // in the view, its paths relative to it, in the order of a walk
	gone  map[svn.Path]bool      // what the tree before has and this revision takes away
	edits map[svn.Path]bool      // what is deleted or replaced inside of something that is added
	added map[svn.Path]*addition // by path
	froms map[svn.Path]svn.Path  // of moves: where to

	part   havre.Revision
	bytes  int  // of contents in part
	hidden bool // it did something with what is not visible, or not in the scope
}

// addition is a node that this revision added or put in the place of another.
type addition struct {
	how  additionKind
	move int // index into the part's Moves
}

type additionKind uint8

const (
	addPlain  additionKind = iota // what is in it is listed as well
	addCopied                     // what is in it is found by walking
	addMoved                      // what is in it moves along; further changes in it are listed
)

// collect takes over the changes in the view. It says whether the view's root is another one than before.
func (t *translation) collect(changes []svn.PathChange) (newRoot bool) {
	for _, c := range changes {
		structural := c.Action != svn.ActionModify
		if _, above := t.v.prefix.Rel(c.Path); above {
			newRoot = newRoot || structural
			continue
		}
		p, ok := t.v.rel(c.Path)
		if !ok {
			t.hidden = true
			continue
		}
		c.Path = p
		t.todo = append(t.todo, c)
		t.hidden = t.hidden || !t.v.sees(p, c.Kind == svn.KindDir) || c.CopyFrom != nil && !t.v.readsAbs(c.CopyFrom.Path)
	}
	if t.hidden {
		t.part.Message = "" // it may name what the person may not read
	}
	slices.SortStableFunc(t.todo, func(a, b svn.PathChange) int { return a.Path.Compare(b.Path) })
	t.gone, t.edits, t.froms = map[svn.Path]bool{}, map[svn.Path]bool{}, map[svn.Path]svn.Path{}
	for _, c := range t.todo {
		if c.Action == svn.ActionDelete || c.Action == svn.ActionReplace {
			if t.above(c.Path) == nil {
				t.gone[c.Path] = true
			} else {
				t.edits[c.Path] = true
			}
		}
		if c.Action == svn.ActionAdd || c.Action == svn.ActionReplace {
			a := &addition{}
			if c.CopyFrom != nil {
				a.how = addCopied
			}
			t.added[c.Path] = a
		}
	}
	if _, far := t.v.repo.Repository.(*remote); far {
		t.walkAdded()
	}
	return newRoot
}

// walkAdded has new directories walked, instead of the files in them asked for one by one: another server lists a
// directory with one question. And where we may not read what a directory was copied from, its log says neither that it is
// a copy nor what is in it.
func (t *translation) walkAdded() {
	for _, c := range t.todo {
		if a := t.added[c.Path]; a != nil && a.how == addPlain && c.Kind == svn.KindDir {
			a.how = addCopied
		}
	}
	t.todo = slices.DeleteFunc(t.todo, func(c svn.PathChange) bool {
		above := t.above(c.Path)
		found := c.Action == svn.ActionAdd && c.CopyFrom == nil && above != nil && above.how == addCopied
		if found {
			delete(t.added, c.Path)
		}
		return found
	})
}

// above returns the nearest addition that p is in, but not p itself.
func (t *translation) above(p svn.Path) *addition {
	for p != "" && len(t.added) > 0 {
		p = p.Dir()
		if a := t.added[p]; a != nil {
			return a
		}
	}
	return nil
}

// findMoves marks the copies that are moves: those whose source this revision takes away, and which had not
// changed between the revision copied from and the one before.
func (t *translation) findMoves(ctx context.Context) error {
	type candidate struct{ from, to svn.Path }
	var copies []candidate
	for _, c := range t.todo {
		if c.CopyFrom == nil || t.added[c.Path] == nil {
			continue
		}
		from, ok := t.v.rel(c.CopyFrom.Path)
		if !ok || from == "" || !within(t.gone, from) || !t.v.seesAll(from) || !t.v.seesAll(c.Path) {
			continue // to whoever does not see both wholly it is a deletion, or something new
		}
		same, err := t.unchanged(ctx, from, c.CopyFrom.Rev)
		if err != nil {
			return err
		}
		if same {
			copies = append(copies, candidate{from, c.Path})
		}
	}
	// Outer sources first: what they carry along is not free to be moved by itself.
	slices.SortStableFunc(copies, func(a, b candidate) int { return a.from.Compare(b.from) })
	for _, c := range copies {
		if !t.free(c.from) {
			continue
		}
		t.froms[c.from] = c.to
		*t.added[c.to] = addition{how: addMoved, move: len(t.part.Moves)}
		t.part.Moves = append(t.part.Moves, havre.Move{From: c.from, To: c.to})
	}
	return nil
}

// within says whether p or something above it is in the set.
func within(set map[svn.Path]bool, p svn.Path) bool {
	for ; p != ""; p = p.Dir() {
		if set[p] {
			return true
		}
	}
	return false
}

// unchanged says whether what was at the path in rev is what the revision before this one has there.
func (t *translation) unchanged(ctx context.Context, p svn.Path, rev svn.Revnum) (bool, error) {
	if rev == t.rev-1 {
		return true, nil
	}
	then, err := t.v.stat(ctx, p, rev)
	if err != nil {
		return false, err
	}
	before, err := t.v.stat(ctx, p, t.rev-1)
	if err != nil || then == nil || before == nil {
		return false, err
	}
	return then.ID != "" && then.ID == before.ID, nil
}

// free says whether the node at p of the tree before still waits for a place: it has not been moved
// itself, and if a directory that it was in has been, it is deleted where that one is now.
func (t *translation) free(p svn.Path) bool {
	if _, moved := t.froms[p]; moved {
		return false
	}
	for up := p; up != ""; {
		up = up.Dir()
		to, moved := t.froms[up]
		if !moved {
			continue
		}
		below, _ := p.Rel(up)
		for at := to.Join(string(below)); at != to; at = at.Dir() {
			if t.edits[at] {
				return true
			}
		}
		return false
	}
	return true
}

// remove lists what the tree before loses. A replaced node is listed where what replaces it would not
// simply take over the entry: a moved node, a directory, which would keep what was in the old one, or
// what is not visible.
func (t *translation) remove(ctx context.Context) error {
	for _, c := range t.todo {
		if !t.gone[c.Path] {
			continue
		}
		if _, moved := t.froms[c.Path]; moved {
			continue
		}
		covered := c.Action != svn.ActionDelete && c.Kind != svn.KindDir && t.added[c.Path].how != addMoved && t.v.sees(c.Path, false)
		if covered {
			continue
		}
		saw, err := t.saw(ctx, c.Path)
		if err != nil {
			return err
		}
		if saw {
			t.part.Removed = append(t.part.Removed, c.Path)
		}
	}
	return nil
}

// saw says whether what was at the path before the revision was visible.
func (t *translation) saw(ctx context.Context, p svn.Path) (bool, error) {
	if t.v.sees(p, false) {
		return true, nil
	}
	if !t.v.sees(p, true) {
		return false, nil
	}
	n, err := t.v.stat(ctx, p, t.rev-1)
	return n != nil && n.Kind == svn.KindDir, err
}

// next lists the first change of t.todo.
func (t *translation) next(ctx context.Context) error {
	c := t.todo[0]
	t.todo = t.todo[1:]
	above := t.above(c.Path)
	inMoved := above != nil && above.how == addMoved
	inCopied := above != nil && above.how == addCopied
	a := t.added[c.Path]
	if a == nil {
		switch {
		case c.Action == svn.ActionDelete && inMoved:
			return t.op(havre.Op{Kind: havre.OpDelete, Path: c.Path})
		case c.Action == svn.ActionModify && c.Kind != svn.KindDir && !inCopied:
			return t.put(ctx, c.Path)
		}
		return nil
	}
	if c.Action == svn.ActionReplace && inMoved && (a.how == addMoved || c.Kind == svn.KindDir) {
		if err := t.op(havre.Op{Kind: havre.OpDelete, Path: c.Path}); err != nil {
			return err
		}
	}
	switch a.how {
	case addMoved:
		if err := t.op(havre.Op{Kind: havre.OpAttach, Path: c.Path, Move: a.move}); err != nil {
			return err
		}
		if c.Kind != svn.KindDir && (c.TextModified || c.PropsModified) {
			return t.put(ctx, c.Path)
		}
		return nil
	case addCopied:
		return t.walk(ctx, c.Path)
	default:
		return t.put(ctx, c.Path)
	}
}

// put lists the node at p as it is now.
func (t *translation) put(ctx context.Context, p svn.Path) error {
	if !t.v.sees(p, true) {
		return nil
	}
	n, err := t.v.repo.Stat(ctx, t.v.abs(p), t.rev)
	if err != nil {
		return err
	}
	return t.putNode(ctx, p, n)
}

// walk lists what is at and in the copy at root; what the revision added in there has its own turn.
func (t *translation) walk(ctx context.Context, root svn.Path) error {
	for n, err := range t.v.walk(ctx, root, t.rev, "") {
		if err != nil {
			return err
		}
		p, ok := t.v.rel(n.Path)
		if !ok || !t.belongs(p, root) {
			continue
		}
		for len(t.todo) > 0 && t.todo[0].Path.Compare(p) < 0 {
			if err := t.next(ctx); err != nil {
				return err
			}
		}
		if err := t.putNode(ctx, p, n); err != nil {
			return err
		}
	}
	return nil
}

// belongs says whether root is the nearest addition at or above p.
func (t *translation) belongs(p, root svn.Path) bool {
	for ; p != root; p = p.Dir() {
		if t.added[p] != nil {
			return false
		}
	}
	return true
}

func (t *translation) putNode(ctx context.Context, p svn.Path, n *svn.Node) error {
	if !t.v.seesNode(p, n) {
		return nil
	}
	op := havre.Op{Kind: havre.OpPut, Path: p}
	var err error
	if op.Entry, err = t.v.entry(ctx, n, t.rev); err != nil {
		return err
	}
	if n.Kind == svn.KindFile && n.Size <= pushLimit {
		along, err := t.choose(ctx, n)
		if err != nil {
			return err
		}
		if along {
			if op.Content, err = t.v.read(ctx, n.Path, t.rev, pushLimit); err != nil {
				return err
			}
		}
	}
	return t.op(op)
}

// newRoot lists the whole view, whose root is another one than before, or gone: see checkRoot.
func (t *translation) newRoot(ctx context.Context) error {
	t.todo, t.part.Message = nil, ""
	if !t.v.sees("", true) {
		return nil
	}
	before, err := t.v.stat(ctx, "", t.rev-1)
	if err != nil {
		return err
	}
	if before != nil && before.Kind == svn.KindDir {
		for n, err := range t.v.repo.List(ctx, t.v.prefix, t.rev-1, false) {
			if err != nil {
				return err
			}
			if p, ok := t.v.rel(n.Path); ok && t.v.seesNode(p, n) {
				t.part.Removed = append(t.part.Removed, p)
			}
		}
	}
	now, err := t.v.stat(ctx, "", t.rev)
	if err != nil {
		return err
	}
	if now == nil || now.Kind != svn.KindDir {
		// It may be there again in a later revision, which lists it then.
		head, err := t.v.repo.Youngest(ctx)
		if err != nil {
			return err
		}
		return t.v.checkRoot(ctx, head)
	}
	t.added = map[svn.Path]*addition{}
	for n, err := range t.v.walk(ctx, "", t.rev, "") {
		if err != nil {
			return err
		}
		if p, ok := t.v.rel(n.Path); ok && p != "" {
			if err := t.putNode(ctx, p, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// op adds to the part, sending it first if it is full.
func (t *translation) op(op havre.Op) error {
	if len(t.part.Ops) >= partOps || t.bytes >= partBytes {
		if err := t.flush(true); err != nil {
			return err
		}
	}
	t.part.Ops = append(t.part.Ops, op)
	t.bytes += len(op.Content)
	return nil
}

// flush sends the part and begins the next.
func (t *translation) flush(more bool) error {
	r := t.part
	r.More = more
	t.part.Moves, t.part.Removed, t.part.Ops, t.bytes = nil, nil, nil, 0
	return t.send(&r)
}
