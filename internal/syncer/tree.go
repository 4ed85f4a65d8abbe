package syncer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/reconcile"
	"github.com/havre-cloud/havre/internal/syncer/state"
	"github.com/havre-cloud/havre/svn"
)

// errMisfit says that what the server sent cannot be a change of the tree that it sent before.
var errMisfit = errors.New("it does not fit to the tree that was sent before")

// errCut says that the connection ended within a revision.
var errCut = errors.New("the connection ended in the middle")

// remoteTree changes the remote tree of the state as the server says. It lives for one
// transaction, and less than one revision: it remembers directories by their paths.
type remoteTree struct {
	l    *loop
	dirs map[svn.Path]reconcile.NodeID
	now  time.Time
	// ours is set if the revision was made of what this disk had: then what is on disk, if it is
	// something else, came after it, and the revision is agreed at once.
	ours bool
	// sent are the nodes that we put and renamed in it, by the new paths, nil if that was in an earlier
	// life.
	sent map[svn.Path]reconcile.NodeID
}

func newTree(l *loop) *remoteTree {
	return &remoteTree{l: l, dirs: map[svn.Path]reconcile.NodeID{"": reconcile.Root}, now: time.Now()}
}

// dir returns the directory at a path, 0 if there is none.
func (t *remoteTree) dir(p svn.Path) reconcile.NodeID {
	if id, ok := t.dirs[p]; ok {
		return id
	}
	parent, name := p.Split()
	in := t.dir(parent)
	if in == 0 {
		return 0
	}
	n := t.l.db.RemoteAt(reconcile.Place{Parent: in, Name: name})
	if n == nil || n.Remote.Kind != havre.KindDir {
		return 0
	}
	t.dirs[p] = n.ID
	return n.ID
}

// lookup returns what is at a path, nil if nothing is.
func (t *remoteTree) lookup(p svn.Path) *state.Node {
	dir, name := p.Split()
	in := t.dir(dir)
	if in == 0 || name == "" {
		return nil
	}
	return t.l.db.RemoteAt(reconcile.Place{Parent: in, Name: name})
}

// changed forgets the paths of directories after one has gone.
func (t *remoteTree) changed() {
	clear(t.dirs)
	t.dirs[""] = reconcile.Root
}

func (t *remoteTree) remove(p svn.Path) {
	if n := t.lookup(p); n != nil {
		if !t.ours {
			t.l.notice(n.ID, t.now)
		}
		t.l.db.DropRemote(n.ID, t.ours)
		t.changed()
	}
}

// detach takes the nodes that a revision moves out of the tree and returns them, 0 where there is
// none. Until attach they are in a directory that does not exist.
func (t *remoteTree) detach(moves []havre.Move) []reconcile.NodeID {
	moved := make([]reconcile.NodeID, len(moves))
	for i, m := range moves {
		if n := t.lookup(m.From); n != nil {
			moved[i] = n.ID
		}
	}
	for _, id := range moved {
		if n := t.l.db.Get(id); n != nil {
			n = n.Clone()
			n.Remote.Place = reconcile.Place{Parent: -id}
			t.l.db.Put(n)
		}
	}
	t.changed()
	return moved
}

// drop removes what was detached and not attached again.
func (t *remoteTree) drop(moved []reconcile.NodeID) {
	for _, id := range moved {
		if n := t.l.db.Get(id); n != nil && n.Remote != nil && n.Remote.Parent == -id {
			t.l.db.DropRemote(id, false)
		}
	}
}

// apply does the Ops of a revision, or of a part of one.
func (t *remoteTree) apply(r *havre.Revision, moved []reconcile.NodeID) error {
	for i := range r.Ops {
		op := &r.Ops[i]
		var err error
		switch op.Kind {
		case havre.OpPut:
			if op.Entry.Rev == 0 {
				op.Entry.Rev = r.Rev
			}
			err = t.put(op.Path, op.Entry, op.Content)
		case havre.OpAttach:
			if op.Move < 0 || op.Move >= len(moved) {
				return errMisfit
			}
			err = t.attach(op.Path, moved[op.Move])
		case havre.OpDelete:
			t.remove(op.Path)
		default:
			err = errMisfit
		}
		if err != nil {
			return fmt.Errorf("r%d, /%s: %w", r.Rev, op.Path, err)
		}
	}
	return nil
}

// put makes or changes what is at a path. Content, if it came along, is kept for a moment.
func (t *remoteTree) put(p svn.Path, e havre.Entry, content []byte) error {
	if _, err := svn.CheckPath(string(p)); err != nil {
		return err
	}
	dir, name := p.Split()
	in := t.dir(dir)
	if in == 0 {
		return errMisfit
	}
	if name == "" {
		return nil // the root is what it is
	}
	place := reconcile.Place{Parent: in, Name: name}
	n := t.l.db.RemoteAt(place)
	if n != nil && n.Remote.Kind != e.Kind {
		t.l.db.DropRemote(n.ID, false)
		t.changed()
		n = nil
	}
	if n != nil {
		n = n.Clone()
	} else {
		n = t.joined(p, place, e.Kind)
	}
	n.Remote = &reconcile.State{Place: place, Entry: e}
	if t.agreed(n.ID, p) {
		n.Base = state.CloneState(n.Remote)
		content = nil
	} else {
		t.l.notice(n.ID, t.now)
	}
	t.l.db.Put(n)
	if e.Kind == havre.KindDir {
		t.dirs[p] = n.ID
	} else if e.Size == 0 || len(content) > 0 {
		t.l.inline.add(n.ID, e.Hash, content)
	}
	delete(t.l.retries, n.ID)
	return nil
}

// agreed reports whether the revision is ours and did to the node what we wanted.
func (t *remoteTree) agreed(id reconcile.NodeID, p svn.Path) bool {
	if !t.ours || t.sent == nil {
		return t.ours
	}
	return t.sent[p] == id
}

// joined returns the node that something new on the server belongs to: the one that we made it of,
// wherever that is on disk by now; else the one that is new on disk at the same place, or a new one.
func (t *remoteTree) joined(p svn.Path, place reconcile.Place, kind havre.Kind) *state.Node {
	if id := t.sent[p]; id != 0 {
		n := t.l.db.Get(id)
		if n != nil && n.Remote == nil && n.Local != nil && n.Local.Kind == kind {
			return n.Clone()
		}
		if n == nil { // it was deleted here since: another takes its part
			n = t.unsent(place, kind)
			t.sent[p] = n.ID
			return n
		}
	}
	return t.unsent(place, kind)
}

// unsent is joined for what came from others.
func (t *remoteTree) unsent(place reconcile.Place, kind havre.Kind) *state.Node {
	n := t.l.db.LocalAt(place)
	if n != nil && n.Remote == nil && (n.Base == nil || n.Withdrawn) && n.Local.Kind == kind {
		n = n.Clone()
		n.Withdrawn = false // it may be read again before it was gone
		return n
	}
	return t.l.db.Add()
}

// attach puts a detached node at a path.
func (t *remoteTree) attach(p svn.Path, id reconcile.NodeID) error {
	dir, name := p.Split()
	in := t.dir(dir)
	n := t.l.db.Get(id)
	if in == 0 || name == "" {
		return errMisfit
	}
	if n == nil || n.Remote == nil {
		return errMisfit
	}
	place := reconcile.Place{Parent: in, Name: name}
	if there := t.l.db.RemoteAt(place); there != nil {
		t.l.db.DropRemote(there.ID, false)
		t.changed()
		n = t.l.db.Get(id)
	}
	n = n.Clone()
	n.Remote.Place = place
	switch {
	case !t.agreed(id, p):
		t.l.notice(id, t.now)
	case n.Base != nil:
		n.Base.Place = place
	}
	t.l.db.Put(n)
	delete(t.l.retries, id)
	return nil
}

// applyRevision changes the remote tree by a revision, of which the first part is given. The others
// are waited for: all of it is one transaction.
func (l *loop) applyRevision(ctx context.Context, first *havre.Revision) error {
	rights := first.Access != havre.AccessSame
	if first.Rev < l.cursor || first.Rev == l.cursor && !rights {
		return nil
	}
	l.db.Begin()
	err := l.applyParts(ctx, first)
	if err != nil {
		l.db.Rollback()
		l.inline.clear()
	} else if err = l.db.Commit(); err != nil {
		return err
	}
	switch {
	case errors.Is(err, errMisfit):
		l.cfg.Logger.Error("what the server sent does not fit: merging anew", "error", err)
		return l.anew()
	case errors.Is(err, errCut):
		return l.cutOff(err)
	case err != nil:
		return err
	}
	l.cursor = first.Rev
	l.release()
	if rights {
		l.rightsChanged(first.Access)
	}
	for id, r := range l.retries {
		if r.untilNews || rights {
			delete(l.retries, id)
		}
	}
	l.planSoon()
	return nil
}

func (l *loop) applyParts(ctx context.Context, part *havre.Revision) error {
	rev := part.Rev
	t := newTree(l)
	t.ours = l.db.Setting(askedSetting(part.Origin.CommitID)) != ""
	if job := l.jobOf(part); job != nil {
		t.sent = make(map[svn.Path]reconcile.NodeID, len(job.items))
		for _, it := range job.items {
			t.sent[it.changes[len(it.changes)-1].Path] = it.id
		}
	}
	access := part.Access
	if part.Origin.Confirmed {
		l.db.Set(settingAllowOther, "yes")
	}
	moved := t.detach(part.Moves)
	for _, p := range part.Removed {
		if access == havre.AccessSame {
			t.remove(p)
		} else {
			t.withdraw(p)
		}
	}
	for {
		if err := t.apply(part, moved); err != nil {
			return err
		}
		if !part.More {
			break
		}
		var e remoteEvent
		select {
		case e = <-l.remote:
		case <-ctx.Done():
			return ctx.Err()
		}
		if e.rev == nil || e.rev.Rev != rev || e.rev.Access != access {
			if e.ended {
				return fmt.Errorf("r%d: %w: %w", rev, errCut, e.err)
			}
			return fmt.Errorf("r%d ended in the middle: %w", rev, errMisfit)
		}
		part = e.rev
	}
	t.drop(moved)
	if t.ours {
		l.db.Set(askedSetting(part.Origin.CommitID), "")
	}
	if access != havre.AccessSame {
		l.recordRights(part)
	} else {
		l.db.Set(settingIdentity, identityOf(part))
	}
	if part.View != "" {
		l.db.Set(settingView, part.View)
	}
	l.db.Set(settingCursor, formatRev(rev))
	return l.db.Err()
}

// jobOf returns the commit that made a revision, if it is one of this life. The revision may be here
// before the answer.
func (l *loop) jobOf(r *havre.Revision) *commitJob {
	if j := l.asked[r.Origin.CommitID]; j != nil {
		return j
	}
	if j := l.answered[r.Rev]; j != nil && j.id == r.Origin.CommitID {
		return j
	}
	return nil
}

// inlineCache keeps the contents that came along with revisions until they are written, as far as there
// is room.
type inlineCache struct {
	contents map[reconcile.NodeID]inlineContent
	size     int
}

type inlineContent struct {
	hash    havre.Hash
	content []byte
}

// inlineRoom bounds an inlineCache, in bytes.
const inlineRoom = 32 << 20

func (c *inlineCache) add(id reconcile.NodeID, h havre.Hash, content []byte) {
	c.remove(id)
	if c.size+len(content) > inlineRoom {
		return
	}
	if c.contents == nil {
		c.contents = map[reconcile.NodeID]inlineContent{}
	}
	c.contents[id] = inlineContent{h, content}
	c.size += len(content)
}

// get returns the contents of a node, if they are there and are those with this hash.
func (c *inlineCache) get(id reconcile.NodeID, h havre.Hash) ([]byte, bool) {
	in, ok := c.contents[id]
	return in.content, ok && in.hash == h
}

func (c *inlineCache) remove(id reconcile.NodeID) {
	c.size -= len(c.contents[id].content)
	delete(c.contents, id)
}

func (c *inlineCache) clear() { *c = inlineCache{} }
