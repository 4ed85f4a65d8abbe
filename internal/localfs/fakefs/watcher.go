package fakefs

import (
	"context"

	"github.com/havre-cloud/havre/internal/localfs/watch"
)

// Watcher gives the hints of FS.Hints.
type Watcher struct{ *watch.Set }

var _ watch.Watcher = Watcher{}

// Run gives a hint for the whole tree and waits for the end.
func (w Watcher) Run(ctx context.Context) error {
	w.Add("", watch.Appeared)
	<-ctx.Done()
	return ctx.Err()
}

// Status tells that all is well.
func (Watcher) Status() watch.Status { return watch.Status{} }
