package syncer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
)

// network is what the workers tell each other about whether the server can be reached. It is safe
// for concurrent use.
type network struct {
	// changed wakes the control loop; room for one.
	changed chan struct{}

	mu     sync.Mutex       // guards the rest
	errs   map[string]error // by worker, the last failure since its last success
	online chan struct{}    // closed at each success, for those who pause
}

func newNetwork() *network {
	return &network{changed: make(chan struct{}, 1), errs: map[string]error{}, online: make(chan struct{})}
}

func (n *network) failed(worker string, err error) {
	n.mu.Lock()
	n.errs[worker] = err
	n.mu.Unlock()
	n.nudge()
}

// worked says that a worker has reached the server: the others need not wait any longer.
func (n *network) worked(worker string) {
	n.mu.Lock()
	_, was := n.errs[worker]
	delete(n.errs, worker)
	if len(n.errs) > 0 || was {
		close(n.online)
		n.online = make(chan struct{})
	}
	n.mu.Unlock()
	if was {
		n.nudge()
	}
}

func (n *network) nudge() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// err returns why the server cannot be reached, nil if it can.
func (n *network) err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, err := range n.errs {
		return err
	}
	return nil
}

// pause waits, but not longer than until somebody reaches the server. It reports whether ctx is
// not done.
func (n *network) pause(ctx context.Context, d time.Duration) bool {
	n.mu.Lock()
	online := n.online
	n.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-online:
	case <-ctx.Done():
		return false
	}
	return true
}

// fatal is an error that is not the network's.
type fatal struct{ cause error }

func (f *fatal) Error() string { return f.cause.Error() }
func (f *fatal) Unwrap() error { return f.cause }

// transient reports whether the same request may work later without anybody doing anything.
func transient(err error) bool {
	if _, ok := errors.AsType[*fatal](err); ok {
		return false
	}
	e, ok := errors.AsType[*havre.Error](err)
	return !ok || e.Code == havre.CodeUnavailable || e.Code == havre.CodeInternal
}

// persist repeats a request until it works, fails for good, or ctx is done.
func (n *network) persist(ctx context.Context, worker string, fn func() error) error {
	wait := backoff{}
	for {
		err := fn()
		if err == nil || !transient(err) {
			n.worked(worker)
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n.failed(worker, err)
		if !n.pause(ctx, wait.next()) {
			return ctx.Err()
		}
	}
}
