package fsfs

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/havre-cloud/havre/svn"
)

// pollInterval is how often db/current is read although no event came: network file systems send
// none, and the system may have run out of watches.
const pollInterval = 2 * time.Second

// notifier wakes those who wait for a revision: at our own commits, and when db/current is
// replaced by anybody.
type notifier struct {
	mu      sync.Mutex    // guards what follows
	wake    chan struct{} // closed and replaced at each event; closed for good with the notifier
	watcher *fsnotify.Watcher
	started bool
	ended   bool
	running sync.WaitGroup
}

func (n *notifier) init() { n.wake = make(chan struct{}) }

// next returns a channel that is closed at the next event, and watches db from now on.
func (n *notifier) next(db string) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.started && !n.ended {
		n.started = true
		n.watch(db)
	}
	return n.wake
}

// watch starts to watch the directory, not the file: the file is replaced. Without a watch, the
// poll remains.
func (n *notifier) watch(db string) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return
	}
	if err := w.Add(db); err != nil {
		_ = w.Close()
		return
	}
	n.watcher = w
	n.running.Go(func() {
		for {
			select {
			case e, ok := <-w.Events:
				if !ok {
					return
				}
				if filepath.Base(e.Name) == "current" {
					n.broadcast()
				}
			case _, ok := <-w.Errors:
				if !ok {
					return
				}
				n.broadcast() // events may have been lost
			}
		}
	})
}

func (n *notifier) broadcast() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.ended {
		close(n.wake)
		n.wake = make(chan struct{})
	}
}

func (n *notifier) close() {
	n.mu.Lock()
	n.ended = true
	close(n.wake)
	w := n.watcher
	n.mu.Unlock()
	if w != nil {
		_ = w.Close()
	}
	n.running.Wait()
}

// Wait implements svn.Repository.
func (r *Repository) Wait(ctx context.Context, rev svn.Revnum) (svn.Revnum, error) {
	timer := time.NewTimer(pollInterval)
	defer timer.Stop()
	for {
		// The channel is taken before looking, so that no event is missed between.
		event := r.changed.next(r.db())
		youngest, err := r.Youngest(ctx)
		if err != nil || youngest > rev {
			return youngest, err
		}
		select {
		case <-ctx.Done():
			return svn.InvalidRevnum, ctx.Err()
		case <-event:
		case <-timer.C:
		}
		timer.Reset(pollInterval)
	}
}
