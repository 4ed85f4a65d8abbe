//go:build !linux && !windows

package watch

import (
	"context"
	"time"

	"github.com/havre-cloud/havre/internal/localfs/ignore"
)

// pollInterval is how often the whole tree is looked through. Here kqueue would need an open
// descriptor for every file, and FSEvents needs cgo.
const pollInterval = 10 * time.Second

// Watch looks through a replica at intervals.
type Watch struct{ *Set }

var _ Watcher = (*Watch)(nil)

// New returns a watcher of the replica at root.
func New(string, *ignore.Tree) *Watch { return &Watch{NewSet()} }

// Run gives a hint for the whole tree at intervals until ctx is done.
func (w *Watch) Run(ctx context.Context) error {
	for {
		w.Add("", Appeared)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollInterval):
		}
	}
}

// Status tells that nothing is watched.
func (w *Watch) Status() Status {
	return Status{Degraded: &DegradedError{
		Interval: pollInterval, Reason: "watching is not implemented for this system", Advice: "there is nothing to do",
	}}
}
