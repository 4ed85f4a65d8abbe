package syncer

import (
	"time"

	"github.com/havre-cloud/havre/svn"
)

// scanQueue is what is to be looked at. Single names come before whole directories, and these the
// deepest first, so that the queue does not grow with the width of the tree.
type scanQueue struct {
	names map[svn.Path]map[string]hint // by directory
	order []svn.Path                   // of names
	dirs  []dirHint                    // a stack
	// delayed are looked at again at their time.
	delayed map[svn.Path]delayedHint
}

type dirHint struct {
	path svn.Path
	tree bool
}

type delayedHint struct {
	at time.Time
	hint
}

func (q *scanQueue) init() {
	q.names = map[svn.Path]map[string]hint{}
	q.delayed = map[svn.Path]delayedHint{}
}

// add has a name looked at.
func (q *scanQueue) add(p svn.Path, h hint) {
	dir, name := p.Split()
	if name == "" {
		return
	}
	names := q.names[dir]
	if names == nil {
		names = map[string]hint{}
		q.names[dir] = names
		q.order = append(q.order, dir)
	}
	if old, ok := names[name]; ok {
		h.merge(old)
	}
	names[name] = h
}

// merge adds what an earlier hint said.
func (h *hint) merge(old hint) {
	if h.first.IsZero() || !old.first.IsZero() && old.first.Before(h.first) {
		h.first = old.first
	}
	h.pause = max(h.pause, old.pause)
	h.forced = h.forced || old.forced
	h.gone = h.gone || old.gone
}

// later has a name looked at after a while.
func (q *scanQueue) later(p svn.Path, after time.Duration, h hint) {
	if old, ok := q.delayed[p]; ok {
		h.merge(old.hint)
	}
	q.delayed[p] = delayedHint{time.Now().Add(after), h}
}

// due moves what has waited long enough.
func (q *scanQueue) due(now time.Time) {
	for p, d := range q.delayed {
		if !d.at.After(now) {
			delete(q.delayed, p)
			q.add(p, d.hint)
		}
	}
}

// next returns when the next delayed name is due.
func (q *scanQueue) next() (t time.Time, ok bool) {
	for _, d := range q.delayed {
		if !ok || d.at.Before(t) {
			t, ok = d.at, true
		}
	}
	return t, ok
}

// addDir has a directory looked through.
func (q *scanQueue) addDir(p svn.Path, tree bool) {
	if n := len(q.dirs); n > 0 && q.dirs[n-1].path == p {
		q.dirs[n-1].tree = q.dirs[n-1].tree || tree
		return
	}
	q.dirs = append(q.dirs, dirHint{p, tree})
}

// takeNames returns a directory and at most limit names in it.
func (q *scanQueue) takeNames(limit int) (svn.Path, map[string]hint, bool) {
	if len(q.order) == 0 {
		return "", nil, false
	}
	dir := q.order[0]
	all := q.names[dir]
	if len(all) <= limit {
		delete(q.names, dir)
		q.order = q.order[1:]
		return dir, all, true
	}
	some := make(map[string]hint, limit)
	for name, h := range all {
		if len(some) == limit {
			break
		}
		some[name] = h
		delete(all, name)
	}
	return dir, some, true
}

func (q *scanQueue) takeDir() (dirHint, bool) {
	n := len(q.dirs)
	if n == 0 {
		return dirHint{}, false
	}
	d := q.dirs[n-1]
	q.dirs = q.dirs[:n-1]
	return d, true
}

func (q *scanQueue) empty() bool { return len(q.order) == 0 && len(q.dirs) == 0 }

// idle reports whether nothing is to be looked at, not even later.
func (q *scanQueue) idle() bool { return q.empty() && len(q.delayed) == 0 }
