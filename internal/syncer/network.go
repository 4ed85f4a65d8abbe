package syncer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
)

// listenerName is the worker that listens to the server.
const listenerName = "listener"

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
//
// The listener's success counts for all: a worker that has nothing more to ask would keep its failure
// for ever.
func (n *network) worked(worker string) {
	n.mu.Lock()
	_, was := n.errs[worker]
	if delete(n.errs, worker); worker == listenerName && len(n.errs) > 0 {
		clear(n.errs)
		was = true
	}
	if was || len(n.errs) > 0 {
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

// isInternal reports whether the server was reached and failed.
func isInternal(err error) bool {
	e, ok := errors.AsType[*havre.Error](err)
	return ok && e.Code == havre.CodeInternal
}

// internalTries is how often a request is tried that makes the server fail.
const internalTries = 3

// persist repeats a request until it works, fails for good, or ctx is done.
func (n *network) persist(ctx context.Context, worker string, fn func() error) error {
	wait := backoff{}
	for tries := 1; ; tries++ {
		err := fn()
		broken := tries >= internalTries && isInternal(err)
		if err == nil || broken || !transient(err) {
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
