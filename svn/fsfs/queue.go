package fsfs

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// maxGroup is how many commits become durable together at most.
const maxGroup = 32

// pendingCommit is a commit whose contents are staged.
type pendingCommit struct {
	ctx    context.Context //nolint:containedctx // lives as long as the call of Commit
	commit *svn.Commit
	proto  *protoRev
	staged []*rep

	// done is closed by the leader when the result is there.
	done chan struct{}
	rev  svn.Revnum
	err  error
}

// commitQueue lets commits that wait for the write lock at the same time share it. Each puts
// itself into the queue; one of them, the leader, takes the lock and commits for all.
type commitQueue struct {
	leader  chan struct{} // holds the leader's token
	arrived chan struct{} // a commit came into the queue

	mu      sync.Mutex // guards what follows
	waiting []*pendingCommit
	attempt *lockAttempt
	// around is how many committed at the same time when the last group was made, itself included; took is
	// how long that was.
	around int
	took   time.Duration
}

func (q *commitQueue) init() {
	q.leader = make(chan struct{}, 1)
	q.arrived = make(chan struct{}, 1)
}

func (q *commitQueue) push(p *pendingCommit) {
	q.mu.Lock()
	q.waiting = append(q.waiting, p)
	q.mu.Unlock()
	select {
	case q.arrived <- struct{}{}:
	default:
	}
}

// maxGather bounds how long a leader waits for others.
const maxGather = 20 * time.Millisecond

// gather waits until as many commits are in the queue as were about when the last group was made. Those who
// were in it come again at once if they have more to commit: without a wait for them there would
// be two groups, each of which waits while the other is made durable. One who commits alone waits for nobody.
func (q *commitQueue) gather(ctx context.Context) {
	q.mu.Lock()
	around, limit := min(q.around, maxGroup), min(q.took/2, maxGather)
	q.mu.Unlock()
	var late <-chan time.Time
	for q.length() < around {
		if late == nil {
			timer := time.NewTimer(limit)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-q.arrived:
		case <-late:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (q *commitQueue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// made notes how many commits a group had and how long it took.
func (q *commitQueue) made(commits int, took time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.around, q.took = commits+len(q.waiting), took
}

// withdraw takes a commit back. It returns false when a leader has taken it already.
func (q *commitQueue) withdraw(p *pendingCommit) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, p)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	return i >= 0
}

// take removes the commits that the leader is to make, in the order in which they came.
func (q *commitQueue) take() []*pendingCommit {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), maxGroup)
	batch := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return batch
}

// lockAttempt is a wait for the write lock. It cannot be called off, because the operating system
// knows no such thing; a leader whose context ends leaves it to the next.
type lockAttempt struct {
	wanted bool // a leader waits for it; guarded by commitQueue.mu
	result chan lockResult
}

type lockResult struct {
	file *os.File
	err  error
}

// writeLock takes the repository's write lock. Closing the file gives it back.
func (r *Repository) writeLock(ctx context.Context) (*os.File, error) {
	q := &r.queue
	q.mu.Lock()
	a := q.attempt
	if a == nil {
		f, err := r.tryWriteLock()
		if f != nil || err != nil {
			q.mu.Unlock()
			return f, err
		}
		a = &lockAttempt{result: make(chan lockResult, 1)}
		q.attempt = a
		go r.waitForLock(a)
	}
	a.wanted = true
	q.mu.Unlock()

	select {
	case got := <-a.result:
		return got.file, got.err
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	a.wanted = false
	select {
	case got := <-a.result:
		if got.file != nil {
			_ = got.file.Close()
		}
	default:
	}
	return nil, ctx.Err()
}

func (r *Repository) openLock() (*os.File, error) {
	return os.OpenFile(r.db("write-lock"), os.O_RDWR|os.O_CREATE, 0o666)
}

// tryWriteLock takes the lock if nobody has it; else it returns nil.
func (r *Repository) tryWriteLock() (*os.File, error) {
	f, err := r.openLock()
	if err != nil {
		return nil, err
	}
	ok, err := lockFile(f, false)
	if !ok {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// waitForLock waits until the lock is free, and gives it to whoever still wants it.
func (r *Repository) waitForLock(a *lockAttempt) {
	f, err := r.openLock()
	if err == nil {
		if _, err = lockFile(f, true); err != nil {
			_ = f.Close()
			f = nil
		}
	}
	q := &r.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	q.attempt = nil
	if a.wanted {
		a.result <- lockResult{f, err}
	} else if f != nil {
		_ = f.Close()
	}
}
