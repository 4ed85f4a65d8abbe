package syncer

import (
	"errors"
	"io/fs"
	"iter"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/reconcile"
	"github.com/havre-cloud/havre/internal/syncer/state"
	"github.com/havre-cloud/havre/svn"
)

// planPage is how many nodes that differ are planned together.
const planPage = 1000

// view is the state as reconcile sees it.
type view struct{ l *loop }

func nodeOf(n *state.Node) *reconcile.Node {
	if n == nil {
		return nil
	}
	return &n.Node
}

func idOf(n *state.Node) reconcile.NodeID {
	if n == nil {
		return 0
	}
	return n.ID
}

func nodesOf(in iter.Seq[*state.Node]) iter.Seq[*reconcile.Node] {
	return func(yield func(*reconcile.Node) bool) {
		for n := range in {
			if !yield(&n.Node) {
				return
			}
		}
	}
}

func (v view) Node(id reconcile.NodeID) *reconcile.Node    { return nodeOf(v.l.db.Get(id)) }
func (v view) LocalAt(p reconcile.Place) reconcile.NodeID  { return idOf(v.l.db.LocalAt(p)) }
func (v view) RemoteAt(p reconcile.Place) reconcile.NodeID { return idOf(v.l.db.RemoteAt(p)) }
func (v view) Deletions() reconcile.Deletions              { return v.l.db.Deletions() }
func (v view) LocalBelow(id reconcile.NodeID) iter.Seq[*reconcile.Node] {
	return nodesOf(v.l.db.LocalBelow(id))
}

func (v view) RemoteBelow(id reconcile.NodeID) iter.Seq[*reconcile.Node] {
	return nodesOf(v.l.db.RemoteBelow(id))
}

func (v view) Busy(id reconcile.NodeID) bool {
	return v.l.busy[id] || v.l.retries[id].at.After(v.l.planTime)
}

// plan goes on with the pass over what differs, as far as there are workers for it.
func (l *loop) plan(now time.Time) {
	l.planTime = now
	for {
		if l.planFrom == 0 {
			l.planAgain = false
			l.held = reconcile.Round{}
			if l.takeAway() {
				l.planAgain = true // and more
			}
		}
		var page []*reconcile.Node
		for n := range l.db.Differing(l.planFrom, planPage) {
			page = append(page, &n.Node)
		}
		if len(page) == 0 {
			l.planFrom = 0
			l.planDue = l.planAgain
			return
		}
		last := page[len(page)-1].ID
		guard := l.guard()
		round := reconcile.Plan(view{l}, func(yield func(*reconcile.Node) bool) {
			for _, n := range page {
				if !yield(n) {
					return
				}
			}
		}, reconcile.Options{
			Device: l.cfg.Device, Now: now, Guard: guard,
			CaughtUp:        l.commits.idle() && len(l.answered) == 0,
			LocalConfirmed:  l.db.Setting(settingAllowLocal) != "",
			RemoteConfirmed: l.db.Setting(settingAllowOther) != "",
		})
		l.held.HeldLocal = max(l.held.HeldLocal, round.HeldLocal)
		l.held.HeldRemote = max(l.held.HeldRemote, round.HeldRemote)
		// What does not fit now is planned again when a worker is done.
		fits := l.carryOut(round.Down)
		if !l.ended {
			fits = l.submit(round.Up) && fits
		}
		if l.db.Err() != nil {
			return
		}
		if !fits {
			l.planDue = false
			return
		}
		l.planFrom = last
	}
}

// carryOut does what changes the local tree. It reports whether there was room for all that is to be
// fetched.
func (l *loop) carryOut(actions []reconcile.Action) bool {
	fits := true
	var writes []*fetchItem
	for _, a := range actions {
		n := l.db.Get(a.Node)
		if a.Kind == reconcile.Write {
			if item := l.fetchItem(n); item != nil {
				writes = append(writes, item)
			}
			continue
		}
		path, err := l.act(a, n.Clone())
		if err != nil {
			l.setBack(a.Node, path, err)
			continue
		}
		l.problems.drop(path)
		delete(l.retries, a.Node)
		// What waited for this may go on.
		l.planSoon()
	}
	if len(writes) > 0 {
		fits = l.fetch(writes)
	}
	return fits
}

// act does one action, and returns the path that it is about.
func (l *loop) act(a reconcile.Action, n *state.Node) (svn.Path, error) {
	switch a.Kind {
	case reconcile.Adopt:
		n.Base = state.CloneState(n.Remote)
		l.db.Put(n)
		l.inline.remove(n.ID)
		l.settled(n.ID)
	case reconcile.Forget:
		l.db.Forget(n.ID)
	case reconcile.Unify:
		l.unify(n, a.Other)
	case reconcile.MakeDir:
		return l.makeDir(n)
	case reconcile.SetAttrs:
		return l.setAttrs(n)
	case reconcile.Move:
		return l.move(n, a.To)
	case reconcile.Trash:
		return l.trash(n)
	case reconcile.KeepBoth:
		return l.keepBoth(n, a.To)
	default:
		panic("syncer: no action for the disk: " + a.Kind.String())
	}
	return "", nil
}

func (l *loop) unify(n *state.Node, other reconcile.NodeID) {
	o := l.db.Get(other)
	local, look := state.CloneState(o.Local), o.Look
	var children []*state.Node
	for c := range l.db.LocalChildren(other) {
		children = append(children, c)
	}
	l.db.Forget(other)
	n.Local, n.Look, n.Base = local, look, nil
	l.db.Put(n)
	for _, c := range children {
		c = c.Clone()
		c.Local.Parent = n.ID
		l.db.Put(c)
	}
}

// placePath returns the path on disk of a place.
func (l *loop) placePath(p reconcile.Place) (svn.Path, error) {
	dir, ok := l.localPath(p.Parent)
	if !ok {
		return svn.Path(p.Name), errors.New("its directory is not there yet")
	}
	return dir.Join(p.Name), nil
}

func (l *loop) makeDir(n *state.Node) (svn.Path, error) {
	path, err := l.placePath(n.Remote.Place)
	if err != nil {
		return path, err
	}
	info, err := l.cfg.FS.Mkdir(path)
	if err != nil {
		return path, err
	}
	l.touched[path.Dir()] = true
	n.Local, n.Look = state.CloneState(n.Remote), state.LookOf(info)
	n.Local.Rev = 0
	n.Base = state.CloneState(n.Remote)
	l.db.Put(n)
	l.tell(n.ID, Event{What: "added", Path: path, Rev: n.Remote.Rev})
	l.settled(n.ID)
	return path, nil
}

func (l *loop) setAttrs(n *state.Node) (svn.Path, error) {
	path, ok := l.localPath(n.ID)
	if !ok {
		return path, errors.New("it is not there")
	}
	info, err := l.cfg.FS.SetAttrs(path, localfs.Attrs{ModTime: n.Remote.ModTime, Executable: n.Remote.Executable}, l.infoOf(n))
	if err != nil {
		return path, err
	}
	l.wrote(n, info)
	l.tell(n.ID, Event{What: "changed", Path: path, Rev: n.Remote.Rev})
	l.settled(n.ID)
	return path, nil
}

// wrote records that the disk has now what the server has.
func (l *loop) wrote(n *state.Node, info localfs.Info) {
	n.Local = state.CloneState(n.Remote)
	n.Local.Rev = 0
	if n.Local.Kind == havre.KindFile {
		n.Local.ModTime = time.Unix(0, info.ModTime).UTC()
	}
	n.Look = state.LookOf(info)
	n.Base = state.CloneState(n.Remote)
	l.db.Put(n)
}

func (l *loop) move(n *state.Node, to reconcile.Place) (svn.Path, error) {
	from, ok := l.localPath(n.ID)
	if !ok {
		return from, errors.New("it is not there")
	}
	path, err := l.rename(n, from, to)
	if err != nil {
		return path, err
	}
	what := Event{What: "renamed", Path: path, From: from}
	if n.Remote != nil && n.Remote.Place == to {
		what.Rev = l.cursor
		if n.Base != nil {
			n.Base.Place = to
		}
	} else {
		what.What = "conflict"
	}
	l.db.Put(n)
	l.tell(n.ID, what)
	return path, nil
}

// rename renames on disk and sets Local, which is not recorded yet.
func (l *loop) rename(n *state.Node, from svn.Path, to reconcile.Place) (svn.Path, error) {
	path, err := l.placePath(to)
	if err != nil {
		return path, err
	}
	info, err := l.cfg.FS.Rename(from, path, l.infoOf(n))
	if err != nil {
		return from, err
	}
	l.touched[from.Dir()], l.touched[path.Dir()] = true, true
	n.Local.Place, n.Look = to, state.LookOf(info)
	return path, nil
}

func (l *loop) trash(n *state.Node) (svn.Path, error) {
	path, ok := l.localPath(n.ID)
	if !ok {
		return path, errors.New("it is not there")
	}
	err := l.cfg.FS.Trash(path, l.infoOf(n))
	if _, full := errors.AsType[*localfs.NotEmptyError](err); full && l.onlyIgnored(path) {
		err = l.cfg.FS.TrashTree(path, l.infoOf(n))
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return path, err
	}
	l.touched[path.Dir()] = true
	l.tell(n.ID, Event{What: "deleted", Path: path, Rev: l.cursor})
	l.settled(n.ID)
	l.db.DropLocal(n.ID)
	return path, nil
}

// onlyIgnored reports whether a directory holds nothing but files that are not synchronised.
func (l *loop) onlyIgnored(path svn.Path) bool {
	infos, err := l.cfg.FS.ReadDir(path)
	if err != nil {
		return false
	}
	rules := l.rules.Dir(path)
	for _, info := range infos {
		if info.Kind == localfs.KindDir || !rules.Match(info.Name, false) {
			return false
		}
	}
	return true
}

func (l *loop) keepBoth(n *state.Node, to reconcile.Place) (svn.Path, error) {
	from, ok := l.localPath(n.ID)
	if !ok {
		return from, errors.New("it is not there")
	}
	path, err := l.rename(n, from, to)
	if err != nil {
		return path, err
	}
	kept := l.db.Add()
	kept.Local, kept.Look = n.Local, n.Look
	n.Local, n.Base = nil, nil
	l.db.Put(n)
	l.db.Put(kept)
	l.tell(n.ID, Event{What: "conflict", Path: path, From: from, Rev: n.Remote.Rev})
	return path, nil
}

// setBack decides what follows when an action on the disk failed.
func (l *loop) setBack(id reconcile.NodeID, path svn.Path, err error) {
	_, changed := errors.AsType[*localfs.ChangedError](err)
	_, full := errors.AsType[*localfs.NotEmptyError](err)
	switch {
	case localfs.IsFull(err):
		l.diskFull(err)
		l.again(id, 5*time.Second, false)
	case changed, errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist), full:
		// It is not as the last scan saw it: look again.
		l.queue.add(path, hint{forced: true})
		if full {
			l.queue.addDir(path, true)
		}
		l.again(id, 100*time.Millisecond, false)
		if l.retries[id].failures > 5 {
			l.problems.set(path, err.Error())
		}
	default:
		l.problems.set(path, reasonOf(err))
		l.again(id, time.Second, false)
	}
}

// diskFull stops the fetching for a while.
func (l *loop) diskFull(err error) {
	l.lastError, l.errorAt = err, time.Now()
	l.downAt = l.errorAt.Add(min(l.fullWait.next(), 10*time.Second))
}

// decideDeletions is Engine.Deletions.
func (l *loop) decideDeletions(allow bool) {
	err := l.tx(func() {
		if allow {
			if l.held.HeldLocal > 0 {
				l.db.Set(settingAllowLocal, "yes")
			}
			if l.held.HeldRemote > 0 {
				l.db.Set(settingAllowOther, "yes")
			}
			return
		}
		if l.held.HeldLocal > 0 {
			l.db.KeepDeleted(true)
		}
		if l.held.HeldRemote > 0 {
			l.db.KeepDeleted(false)
		}
	})
	if err != nil {
		l.cfg.Logger.Error("deletions cannot be decided", "error", err)
	}
	l.planFrom = 0
	l.planSoon()
}
