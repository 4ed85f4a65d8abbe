// Package watch notices where a replica changes.
//
// What it says are hints: they tell the engine where to look, never what is there. A hint may come
// without a change; a change may come without a hint when the system lost events, and then a hint
// for the whole tree comes. Scans find what hints miss.
//
// Events are gathered in a Set, one hint for a path however often it changes, from which the
// engine takes those that have been quiet for long enough.
package watch

import (
	"context"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// Hint says where to look.
type Hint struct {
	// Path of what may have changed, appeared or vanished; "" is the root.
	Path svn.Path
	// Last is when the last event came, with the monotonic clock.
	Last time.Time
	// First is when the first event came that no Take has given away.
	First time.Time
	// Closed: the last event ended a change: a writer closed the file, it was renamed into
	// place, it is a new directory or link. There may be another writer.
	Closed bool
	// Gone: the last event took the name away. It often comes back at once.
	Gone bool
	// Tree: everything below may have changed too.
	Tree bool
}

// Quiet says how long a path must be without events before Take returns its hint.
type Quiet struct {
	Closed  time.Duration // after an event that ended a change
	Written time.Duration // after any other
	Gone    time.Duration // after the name vanished, and while others go on vanishing
}

// Watcher gives hints. Watch is the real one; the simulation makes hints from what it does.
// Methods may be called concurrently.
type Watcher interface {
	// Run watches until ctx is done. The first thing it gives is a hint for the whole tree, once
	// everything is watched.
	Run(ctx context.Context) error
	// Wake receives when hints came into an empty set, or came at all since the last Take.
	Wake() <-chan struct{}
	// Take returns the hints that have been quiet for long enough, sorted by path, at most
	// limit, and how long until the next one will be, negative if there is none.
	Take(q Quiet, limit int) ([]Hint, time.Duration)
	// Status tells how well the watching works.
	Status() Status
}

// Status is the state of a Watcher.
type Status struct {
	// Dirs counts the watched directories.
	Dirs int
	// Degraded is nil when every directory is watched.
	Degraded *DegradedError
}
