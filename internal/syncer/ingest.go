package syncer

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/localfs/ignore"
	"github.com/havre-cloud/havre/internal/reconcile"
	"github.com/havre-cloud/havre/internal/syncer/state"
	"github.com/havre-cloud/havre/svn"
)

// scanAll looks at the whole tree.
func (l *loop) scanAll() {
	l.queue.addDir("", true)
	tenth := l.cfg.ScanInterval / 10
	l.nextScan = time.Now().Add(l.cfg.ScanInterval - tenth + rand.N(2*tenth+1)) //nolint:gosec // no secret
}

// takeHints puts what the watcher noticed into the queue.
func (l *loop) takeHints() {
	l.queue.due(time.Now())
	w := l.cfg.Watcher
	if w == nil {
		return
	}
	hints, next := w.Take(l.wait, 10*scanBatch)
	l.hintsIn = next
	for _, h := range hints {
		if h.Path == "" {
			l.queue.addDir("", h.Tree)
			continue
		}
		if h.Path == localfs.Reserved {
			continue
		}
		if h.Path.Name() == ignore.FileName {
			l.rules.Forget()
			l.queue.addDir(h.Path.Dir(), true)
		}
		l.queue.add(h.Path, hint{first: h.First, gone: h.Gone})
		if h.Tree {
			l.queue.addDir(h.Path, true)
		}
	}
}

// startScans gives the scanner its next job.
func (l *loop) startScans() error {
	for l.scans.free() {
		if l.queue.empty() {
			if l.scans.idle() && !l.looked {
				l.looked = true
				l.planSoon()
			}
			return nil
		}
		if err := l.tx(l.startScan); err != nil {
			return err
		}
	}
	return nil
}

func (l *loop) startScan() {
	j := &scanJob{}
	dir, hints, ok := l.queue.takeNames(scanBatch)
	if ok {
		// Where "A" and "a" are one file only a listing tells which name it has.
		j.dir, j.hints = dir, hints
		j.full = l.features.CaseInsensitive || l.features.NormalizesUnicode
	} else {
		d, _ := l.queue.takeDir()
		j.dir, j.full, j.tree = d.path, true, d.tree
	}
	id, missing := l.findDir(j.dir)
	if id == 0 {
		// What is in a directory that is not known yet is found when that is looked at.
		l.queue.add(missing, hint{first: earliest(j.hints)})
		return
	}
	j.dirID, j.known = id, map[string]known{}
	if j.full {
		for n := range l.db.LocalChildren(id) {
			j.known[n.Local.Name] = l.knownOf(n)
		}
	} else {
		for name := range j.hints {
			if n := l.db.LocalAt(reconcile.Place{Parent: id, Name: name}); n != nil {
				j.known[name] = l.knownOf(n)
			}
		}
	}
	l.scans.start(j)
}

func earliest(hints map[string]hint) (first time.Time) {
	for _, h := range hints {
		if first.IsZero() || h.first.Before(first) {
			first = h.first
		}
	}
	return first
}

func (l *loop) knownOf(n *state.Node) known {
	return known{id: n.ID, info: l.infoOf(n), entry: n.Local.Entry, uncertain: n.Look.Uncertain}
}

// findDir returns the local directory at a path, or the topmost path on the way to it that is not
// known or no directory.
func (l *loop) findDir(p svn.Path) (reconcile.NodeID, svn.Path) {
	if p == "" {
		return reconcile.Root, ""
	}
	dir, name := p.Split()
	in, missing := l.findDir(dir)
	if in == 0 {
		return 0, missing
	}
	n := l.db.LocalAt(reconcile.Place{Parent: in, Name: name})
	if n == nil || n.Local.Kind != havre.KindDir {
		return 0, p
	}
	return n.ID, ""
}

// saw records what a scan found.
func (l *loop) saw(j *scanJob) error {
	// Without the marker what is there, and what is not, means nothing.
	if err := l.cfg.FS.Check(l.cfg.Scope.Folder); err != nil {
		return err
	}
	return l.tx(func() { l.record(j) })
}

func (l *loop) record(j *scanJob) {
	if path, ok := l.localPath(j.dirID); !ok || path != j.dir {
		l.queue.addDir("", false) // it was renamed meanwhile
		for name, h := range j.hints {
			l.queue.add(j.dir.Join(name), h)
		}
		if j.full {
			l.queue.addDir(j.dir.Dir(), true)
		}
		return
	}
	if j.err != nil {
		if errors.Is(j.err, fs.ErrNotExist) {
			l.queue.add(j.dir, hint{})
		} else {
			l.problems.seen(j.dir, reasonOf(j.err))
		}
		return
	}
	l.solved(j)
	var large *scanJob
	for i := range j.found {
		f := &j.found[i]
		if f.later {
			if large == nil {
				large = &scanJob{dir: j.dir, dirID: j.dirID, large: true, hints: map[string]hint{}, known: map[string]known{}}
			}
			large.hints[f.name] = j.hints[f.name]
			if k, ok := j.known[f.name]; ok {
				large.known[f.name] = k
			}
			continue
		}
		l.recordFound(j, f)
		if j.tree && f.entry.Kind == havre.KindDir && f.problem == "" {
			l.queue.addDir(j.dir.Join(f.name), true)
		}
	}
	for _, name := range j.missing {
		l.recordMissing(j, name)
	}
	if large != nil {
		l.hashLater(large)
	}
}

// solved forgets the problems with names that are not there any more, and with what was in them.
func (l *loop) solved(j *scanJob) {
	if len(l.problems.all) == 0 {
		return
	}
	there := make(map[string]localfs.Kind, len(j.found))
	for i := range j.found {
		there[j.found[i].name] = j.found[i].info.Kind
	}
	if j.full {
		l.problems.unseen(j.dir)
	}
	for p := range l.problems.all {
		rel, inside := p.Rel(j.dir)
		if !inside || rel == "" {
			continue
		}
		name, _, deeper := strings.Cut(string(rel), "/")
		_, asked := j.hints[name]
		kind, found := there[name]
		if (j.full || asked) && (!found || deeper && kind != localfs.KindDir) {
			l.problems.unseen(p)
		}
	}
}

// hashLater hashes large files aside, or a moment later when that is busy.
func (l *loop) hashLater(j *scanJob) {
	if l.hashes.free() {
		l.hashes.start(j)
		return
	}
	for name, h := range j.hints {
		l.queue.later(j.dir.Join(name), 100*time.Millisecond, h)
	}
}

// infoOf returns a node as localfs expects it on this disk.
func (l *loop) infoOf(n *state.Node) localfs.Info {
	info := n.Info()
	info.Executable = info.Executable && l.features.Executable
	return info
}

// unchanged reports whether the state says of a name what it said when the scan began.
func (l *loop) unchanged(n *state.Node, k known, isKnown bool) bool {
	if n == nil || !isKnown {
		return n == nil && !isKnown
	}
	return n.ID == k.id && l.infoOf(n) == k.info && n.Local.Hash == k.entry.Hash
}

func (l *loop) recordFound(j *scanJob, f *found) {
	path := j.dir.Join(f.name)
	h := j.hints[f.name]
	if f.problem != "" {
		l.problems.seen(path, f.problem)
		return
	}
	l.problems.unseen(path)
	k, isKnown := j.known[f.name]
	if f.same && !f.unsure {
		return
	}
	if f.young > 0 {
		l.queue.later(path, f.young, h)
		return
	}
	if f.unstable {
		h.pause = min(max(2*h.pause, 50*time.Millisecond), 2*time.Second)
		l.queue.later(path, h.pause, h)
		return
	}
	place := reconcile.Place{Parent: j.dirID, Name: f.name}
	n := l.db.LocalAt(place)
	if !l.unchanged(n, k, isKnown) {
		l.queue.later(path, 5*time.Millisecond, h) // we changed it ourselves meanwhile
		return
	}
	if f.unsure {
		l.queue.later(path, 2*clockGrain, hint{first: h.first})
	}
	if n != nil && n.Local.Kind != f.entry.Kind {
		l.db.DropLocal(n.ID)
		n = nil
	}
	if n == nil {
		n = l.newcomer(path, place, f)
	} else {
		n = n.Clone()
	}
	isNew := n.Local == nil
	edited := isNew || n.Local.Place != place || !n.Local.SameContent(&f.entry)
	n.Local = &reconcile.State{Place: place, Entry: f.entry}
	n.Look = state.LookOf(f.info)
	n.Look.Uncertain = f.unsure
	l.db.Put(n)
	if f.entry.Kind == havre.KindDir && !j.tree {
		l.queue.addDir(path, true)
	}
	if edited {
		if !h.first.IsZero() {
			l.notice(n.ID, h.first)
		} else {
			l.notice(n.ID, time.Now())
		}
		delete(l.retries, n.ID)
		l.planSoon()
	} else if !n.AtRest() {
		l.planSoon()
	}
}

// newcomer returns the node that something new on disk is: one that was moved here, one that the
// server has at this place, or a new one.
func (l *loop) newcomer(path svn.Path, place reconcile.Place, f *found) *state.Node {
	if n := l.movedHere(path, f); n != nil {
		if n.Local.Kind == havre.KindDir {
			l.queue.addDir(path, true)
		}
		return n.Clone()
	}
	if n := l.db.RemoteAt(place); n != nil && n.Local == nil && n.Remote.Kind == f.entry.Kind {
		return n.Clone()
	}
	return l.db.Add()
}

// movedHere returns the node that was renamed to path, nil if it is none: its inode is the same, and
// its old name is gone. The number of a deleted file may be given to a new one, so the contents have
// to agree too.
func (l *loop) movedHere(path svn.Path, f *found) *state.Node {
	if f.info.Inode == 0 {
		return nil
	}
	for n := range l.db.ByInode(f.info.Inode) {
		if n.Local.Kind != f.entry.Kind || n.Local.Kind != havre.KindDir && n.Local.Hash != f.entry.Hash {
			continue
		}
		old, ok := l.localPath(n.ID)
		if !ok || old == path {
			continue
		}
		if _, err := l.cfg.FS.Stat(old); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if _, inside := path.Rel(old); inside {
			continue
		}
		if n.Local.Kind == havre.KindDir && !l.sameChildren(n, path) {
			continue
		}
		return n
	}
	return nil
}

// sameChildren reports whether the directory on disk at path has anything that the node has.
func (l *loop) sameChildren(n *state.Node, path svn.Path) bool {
	children := map[string]uint64{}
	for c := range l.db.LocalChildren(n.ID) {
		children[c.Local.Name] = c.Look.Inode
	}
	if len(children) == 0 {
		return true
	}
	infos, err := l.cfg.FS.ReadDir(path)
	if err != nil {
		return false
	}
	for _, info := range infos {
		if inode, ok := children[info.Name]; ok && inode == info.Inode {
			return true
		}
	}
	return false
}

func (l *loop) recordMissing(j *scanJob, name string) {
	path := j.dir.Join(name)
	h := j.hints[name]
	k := j.known[name]
	n := l.db.LocalAt(reconcile.Place{Parent: j.dirID, Name: name})
	if n == nil || !l.unchanged(n, k, true) {
		return
	}
	if !h.gone {
		// It may come back at once, or be found under another name.
		h.gone = true
		l.queue.later(path, goneQuiet, h)
		return
	}
	at := h.first
	if at.IsZero() {
		at = time.Now()
	}
	l.notice(n.ID, at)
	l.problems.drop(path)
	delete(l.retries, n.ID)
	l.db.DropLocal(n.ID)
	l.planSoon()
}
