package fsfs

import "runtime"

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
