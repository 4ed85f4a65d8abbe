package fsfs

import (
	"fmt"
	"runtime"

	"github.com/havre-cloud/havre/svn"
)

// SetCrash has a function called between the steps of every commit; what it returns is taken for
// the failure of the step.
func (r *Repository) SetCrash(crash func(point string) error) { r.crash = crash }

// WaitQueued returns when n commits wait for the write lock.
func (r *Repository) WaitQueued(n int) {
	for {
		r.queue.mu.Lock()
		waiting := len(r.queue.waiting)
		r.queue.mu.Unlock()
		if waiting == n {
			return
		}
		runtime.Gosched()
	}
}

// WaitNotes returns when all rows of the rep-cache are written.
func (r *Repository) WaitNotes() { r.notes.running.Wait() }

// TextAt returns where the contents of a file are stored, "revision/item".
func (r *Repository) TextAt(path svn.Path, rev svn.Revnum) (string, error) {
	n, err := r.lookup(path, rev)
	if err != nil || n.text == nil {
		return "", err
	}
	return fmt.Sprintf("%d/%d", n.text.at.rev, n.text.at.item), nil
}
