package syncer

import (
	"errors"
	"io/fs"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/reconcile"
	"github.com/havre-cloud/havre/internal/syncer/state"
	"github.com/havre-cloud/havre/svn"
)

// When the rights of the person change, the server says what of its tree appeared and what may be read
// no longer. The latter leaves the disk: what the server has goes to the trash, what it does not have
// is set aside, where nothing synchronises it and nothing removes it, and reported. None of this is a
// deletion: no guard holds it, and nothing of it goes up.

// takeBatch is how many withdrawn nodes are taken off the disk in one transaction.
const takeBatch = 500

// withdraw takes what may be read no longer out of the remote tree.
func (t *remoteTree) withdraw(p svn.Path) {
	if n := t.lookup(p); n != nil {
		t.l.notice(n.ID, t.now)
		t.l.db.Withdraw(n.ID)
		t.changed()
	}
}

// recordRights records, in the transaction of a change of rights, what is to be known after it.
func (l *loop) recordRights(last *havre.Revision) {
	if last.Rev != parseRev(l.db.Setting(settingCursor)) {
		l.db.Set(settingIdentity, "") // it is another revision, of which nothing else was said
	}
	ended := ""
	if last.Access == havre.AccessEnded {
		ended = "yes"
		l.db.WithdrawAll()
	}
	l.db.Set(settingEnded, ended)
}

// rightsChanged goes on after a change of rights.
func (l *loop) rightsChanged(access havre.Access) {
	if was := l.ended; access == havre.AccessEnded || was {
		l.lastError = nil
	}
	l.ended = access == havre.AccessEnded
	what := "rights"
	if l.ended {
		what = "no access"
	}
	l.cfg.Events(Event{Time: time.Now(), What: what, Rev: l.cursor})
}

// takeAway takes off the disk what is withdrawn: what is in a directory before the directory. It reports
// whether it did anything.
func (l *loop) takeAway() bool {
	if !l.db.SpreadWithdrawn() {
		return false
	}
	did := 0
	for after := reconcile.NodeID(0); did < takeBatch; {
		last := after
		for n := range l.db.Withdrawn(after, takeBatch) {
			last = n.ID
			if l.busy[n.ID] || l.retries[n.ID].at.After(l.planTime) {
				continue
			}
			did++
			if path, err := l.takeNode(n.Clone()); err != nil {
				l.setBack(n.ID, path, err)
			}
		}
		if last == after {
			break
		}
		after = last
	}
	return did > 0
}

// takeNode takes one withdrawn node off the disk, and returns its path.
func (l *loop) takeNode(n *state.Node) (svn.Path, error) {
	path, ok := l.localPath(n.ID)
	if ok {
		var err error
		if n.Local.Kind != havre.KindDir && !sent(n) {
			err = l.setAside(n, path)
		} else {
			err = l.trashWithdrawn(n, path)
		}
		if err != nil {
			return path, err
		}
		l.touched[path.Dir()] = true
		l.problems.drop(path)
	}
	l.settled(n.ID)
	if n.Remote == nil {
		l.db.Forget(n.ID) // nothing is in it in any tree
		return path, nil
	}
	// It was moved in here, and is still where it was on the server.
	n.Local, n.Base, n.Withdrawn = nil, nil, false
	l.db.Put(n)
	return path, nil
}

// sent reports whether the server has the contents of a file on disk.
func sent(n *state.Node) bool { return n.Base != nil && n.Base.SameContent(&n.Local.Entry) }

func (l *loop) trashWithdrawn(n *state.Node, path svn.Path) error {
	err := l.cfg.FS.Trash(path, l.infoOf(n))
	if _, full := errors.AsType[*localfs.NotEmptyError](err); full && l.onlyIgnored(path) {
		err = l.cfg.FS.TrashTree(path, l.infoOf(n))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		l.tell(n.ID, Event{What: "withdrawn", Path: path, Rev: l.cursor, Bytes: n.Local.Size})
	}
	return err
}

// setAside moves a file that the server does not have out of the replica.
func (l *loop) setAside(n *state.Node, path svn.Path) error {
	place, err := l.cfg.FS.SetAside(path, l.infoOf(n))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	l.db.Keep(state.Kept{Place: place, Path: path, At: time.Now()})
	l.kept = l.db.Kept()
	l.tell(n.ID, Event{What: "kept", Path: path, Rev: l.cursor, Bytes: n.Local.Size, Place: place})
	return nil
}

// loadKept forgets what was set aside and is no longer where it was: somebody has seen to it.
func (l *loop) loadKept() {
	for _, k := range l.db.Kept() {
		if !l.cfg.FS.IsAside(k.Place) {
			l.db.Unkeep(k.Place)
		}
	}
	l.kept = l.db.Kept()
}

// denied undoes here what the person had no right to do there. What was changed is set aside, so that
// the server's version can take its place; what is new stays, and is tried again.
func (l *loop) denied(it *commitItem) {
	path := it.path
	if it.action == reconcile.Delete {
		path = it.changes[0].Path
	}
	n := l.db.Get(it.id)
	if n == nil || n.Remote == nil {
		l.problems.set(path, it.text)
		l.again(it.id, 30*time.Second, false)
		return
	}
	n = n.Clone()
	switch it.action {
	case reconcile.Delete, reconcile.PutMove, reconcile.PutAttrs:
		n.Base = nil // it comes back, or goes back
	case reconcile.Put:
		at, ok := l.localPath(n.ID)
		if !ok {
			return
		}
		if err := l.setAside(n, at); err != nil {
			l.setBack(n.ID, at, err)
			return
		}
		l.touched[at.Dir()] = true
		n.Local, n.Base = nil, nil
	default:
		l.problems.set(path, it.text)
		l.again(it.id, 30*time.Second, false)
		return
	}
	l.db.Put(n)
	l.tell(it.id, Event{Up: true, What: "refused", Path: path, Rev: l.cursor, Text: it.text})
}
