package syncer

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// State says in one word what a replica is about.
type State string

// The states.
const (
	StateStarting State = "starting"   // it looks at the disk and the server for the first time since the start
	StateSyncing  State = "syncing"    // changes are on their way
	StateUpToDate State = "up-to-date" // both sides are the same
	StateOffline  State = "offline"    // the server cannot be reached; it is tried again
	StateHeld     State = "held"       // many deletions wait for a person
	StateFailed   State = "failed"     // it cannot go on now; it is tried again
	StateStopped  State = "stopped"    // it does not run
	StateNoAccess State = "no-access"  // the person may read nothing of it now; it goes on when that changes
)

// Status is what an engine can tell about itself.
type Status struct {
	State State
	// Revision is the one up to which the server's changes are known here; -1 before the first.
	Revision svn.Revnum
	// Down is to be changed here, Up on the server: files, and the bytes in them.
	Down, Up Pending
	// HeldDown and HeldUp count the deletions that wait for a person.
	HeldDown, HeldUp int64
	// Watch says what is not noticed at once but only by the next scan, and how to change that;
	// empty when everything is watched.
	Watch string
	// LastError is the last failure of the replica as a whole; it stays until all is well.
	LastError   string
	LastErrorAt time.Time
	// Problems are single paths that cannot be kept the same: the first hundred of ProblemCount.
	Problems     []Problem
	ProblemCount int
	// Kept are the files that were set aside because they could not be sent, the latest first: the
	// first hundred of KeptCount. They are listed until they are gone from there.
	Kept      []Kept
	KeptCount int
}

// Kept is a file that was set aside.
type Kept struct {
	Path  svn.Path
	Place string // where it is now, absolute
	At    time.Time
}

// Pending counts what is not the same yet.
type Pending struct{ Files, Bytes int64 }

// Problem is one path that cannot be kept the same, and why.
type Problem struct {
	Path svn.Path
	Text string
}

// Event is one change that took effect.
type Event struct {
	Time time.Time
	Up   bool // from here to the server; otherwise to here
	// What is "added", "changed", "renamed", "deleted", "conflict"; for Count deletions that wait for a
	// person, "held"; when the person's rights have changed, "rights", or "no access" when there are
	// none left; for what may be read no longer, "withdrawn", or "kept" if it could not be sent, and is at
	// Place; for what the person had no right to change, "refused", with Text.
	What  string
	Path  svn.Path
	From  svn.Path // renamed, conflict: the path before
	Rev   svn.Revnum
	Bytes int64
	Count int64  // held
	Place string // kept
	Text  string // refused
	// Took is the time since the change was noticed: by the watcher, or as it came from the server.
	Took time.Duration
}

// Status returns how the replica is.
func (e *Engine) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.status
	s.Problems, s.Kept = slices.Clone(s.Problems), slices.Clone(s.Kept)
	return s
}

// Wait blocks until the status is as it is waited for, or ctx is done.
func (e *Engine) Wait(ctx context.Context, until func(Status) bool) error {
	for {
		e.mu.Lock()
		changed := e.changed
		e.mu.Unlock()
		if until(e.Status()) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (e *Engine) update(fn func(*Status)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	fn(&e.status)
	close(e.changed)
	e.changed = make(chan struct{})
}

// maxProblems is how many problems a Status lists.
const maxProblems = 100

// problems are the paths that cannot be kept the same at the moment.
type problems struct {
	all     map[svn.Path]problem
	changed bool
}

type problem struct {
	text string
	seen bool // by a scan, which also sees when it is gone; otherwise an action failed
}

func (p *problems) set(path svn.Path, text string)  { p.put(path, problem{text, false}) }
func (p *problems) seen(path svn.Path, text string) { p.put(path, problem{text, true}) }

func (p *problems) put(path svn.Path, what problem) {
	if p.all == nil {
		p.all = map[svn.Path]problem{}
	}
	// Beyond this only a count would help, and the first thousands say it already.
	if p.all[path] != what && len(p.all) < 100*maxProblems {
		p.all[path], p.changed = what, true
	}
}

func (p *problems) drop(path svn.Path) {
	if _, ok := p.all[path]; ok {
		delete(p.all, path)
		p.changed = true
	}
}

// unseen drops what a scan saw and does not see any more.
func (p *problems) unseen(path svn.Path) {
	if p.all[path].seen {
		p.drop(path)
	}
}

// nothingFails drops the problems of actions: there is nothing left to do. What a failed one was about may
// have got another path meanwhile.
func (p *problems) nothingFails() {
	for path, what := range p.all {
		if !what.seen {
			p.drop(path)
		}
	}
}

func (p *problems) list() []Problem {
	list := make([]Problem, 0, min(len(p.all), maxProblems))
	for _, path := range slices.SortedFunc(maps.Keys(p.all), svn.Path.Compare) {
		if len(list) == maxProblems {
			break
		}
		list = append(list, Problem{path, p.all[path].text})
	}
	return list
}
