package radav

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/havre-cloud/havre/svn"
)

const (
	// givingUp is how long the removal of a transaction may take.
	givingUp = 10 * time.Second
	// settling is how long a server may be at work with a request that was cut off, before its transaction is removed.
	settling = 5 * time.Second
	// maxMerge is how long a MERGE may still be at work whose connection was cut. Its transaction is not touched before.
	maxMerge = 10 * time.Minute
	// maxLitter is how many transactions are remembered.
	maxLitter = 1000
)

// litter are transactions that could not be removed because the server was gone. It keeps them for ever, so they
// are removed when it is back.
type litter struct {
	mu   sync.Mutex
	left []abandoned
	busy bool // somebody sweeps
}

type abandoned struct {
	name string
	from time.Time // when it may be removed
}

func (l *litter) add(name string, from time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.left) < maxLitter {
		l.left = append(l.left, abandoned{name, from})
	}
}

// take returns what may be removed now, and has others wait for done.
func (l *litter) take(now time.Time) []abandoned {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy || len(l.left) == 0 {
		return nil
	}
	var due []abandoned
	l.left = slices.DeleteFunc(l.left, func(a abandoned) bool {
		if a.from.After(now) {
			return false
		}
		due = append(due, a)
		return true
	})
	l.busy = due != nil
	return due
}

func (l *litter) done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = false
}

// sweep removes what was left behind. The server has just answered.
func (r *Repository) sweep(ctx context.Context) {
	due := r.litter.take(time.Now())
	if due == nil {
		return
	}
	defer r.litter.done()
	for _, a := range due {
		if !r.discard(ctx, a.name) {
			r.litter.add(a.name, a.from)
		}
	}
}

// discard removes a transaction from the server, and says whether that need not be tried again. Nobody else may be at
// work with it: what is written while it is removed stays, and is no transaction any more that could be.
func (r *Repository) discard(ctx context.Context, name string) bool {
	_, err := r.conn.exchange(ctx, &request{method: "DELETE", path: r.txn + "/" + name})
	if f, failed := errors.AsType[*failure](err); failed {
		return f.status == http.StatusNotFound || f.status == http.StatusForbidden || f.status == http.StatusUnauthorized
	}
	_, refused := errors.AsType[*svn.RefusedError](err)
	return err == nil || refused
}
