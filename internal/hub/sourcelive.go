package hub

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/store"
)

// follow follows the document until the work is to end. looked is called after the first look, or at the end.
func (w *job) follow(ctx context.Context, f source.Follower, secrets source.Secrets, looked func()) error {
	defer looked()
	var failed error
	before := w.item.Last
	err := guarded(func() error {
		return source.Live(ctx, w.theClient(), f, secrets, w.target, w.item, nil, func(_ *source.Item, r source.Result) {
			if ctx.Err() != nil && w.target.rev == 0 {
				return
			}
			// What was committed is noted even if the work ends at this moment.
			if err := w.finish(context.WithoutCancel(ctx), before, r, true); err != nil && failed == nil {
				failed = err
				w.stop(w.row.ID)
			}
			if before = r; w.lost {
				w.stop(w.row.ID)
			}
			looked()
		})
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return w.failed(ctx, err)
	}
	return nil
}

// paced is a follower that tells at most one change in a while: each becomes a revision. The first is told at once, and
// the last always.
type paced struct {
	source.Follower
	every time.Duration
	told  *atomic.Pointer[source.Copy] // what was told last
}

// Follow is of source.Follower.
func (p paced) Follow(ctx context.Context, c *source.Client, d source.Document, alive func(), changed func(*source.Copy) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex // guards waiting
	var waiting *source.Copy
	there := make(chan struct{}, 1)
	take := func(next *source.Copy) *source.Copy {
		mu.Lock()
		defer mu.Unlock()
		last := waiting
		waiting = next
		return last
	}
	var teller sync.WaitGroup
	teller.Go(func() {
		err := guarded(func() error { return p.tell(ctx, there, func() *source.Copy { return take(nil) }, changed) })
		if err != nil {
			cancel(err)
		}
	})
	err := p.Follower.Follow(ctx, c, d, alive, func(got *source.Copy) error {
		if before := take(got); before != nil {
			_ = before.Close() // it was never told; what it held goes with the process at the latest
		}
		poke(there)
		return nil
	})
	told := context.Cause(ctx)
	cancel(nil)
	teller.Wait()
	if last := take(nil); last != nil {
		_ = last.Close() // the next look at the document finds it
	}
	if told != nil && told != context.Canceled && told != errStopped { //nolint:errorlint // these very values
		return told
	}
	return err
}

// tell calls changed with what there is, and not again before the time is over.
func (p paced) tell(ctx context.Context, there <-chan struct{}, take func() *source.Copy, changed func(*source.Copy) error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-there:
		}
		if got := take(); got != nil {
			p.told.Store(got)
			if err := changed(got); err != nil {
				return err
			}
		}
		pause := time.NewTimer(p.every)
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil
		case <-pause.C:
		}
	}
}

// listAgain is how often a collection is listed by the adaptive schedule, at least.
const listAgain = 3 * time.Hour

// maxDocuments is how many documents of one collection are backed up.
const maxDocuments = 10_000

// list looks which documents a collection holds, and adds those that are new. What it does not hold any more says so
// itself.
func (w *job) list(ctx context.Context, p source.Provider, secrets source.Secrets) (source.Result, error) {
	began := w.hub.now()
	r := source.Result{When: began.UTC(), Outcome: source.OutcomeUnchanged}
	added, total, err := w.addListed(ctx, p, secrets)
	switch {
	case ctx.Err() != nil:
		return r, ctx.Err()
	case err != nil:
		r = source.FailedResult(began, w.told(ctx, err))
	default:
		w.item.Summary = fmt.Sprintf("%d documents", total)
		if added > 0 {
			r.Outcome = source.OutcomeChanged
			w.item.History.Changed = r.When
		}
	}
	r.Took = w.hub.now().Sub(began)
	w.item.Last, w.item.History = r, w.item.History.Add(r)
	return r, nil
}

func (w *job) addListed(ctx context.Context, p source.Provider, secrets source.Secrets) (added, total int, err error) {
	lister, ok := p.(source.Lister)
	if !ok {
		return 0, 0, source.Errorf(source.ReasonForbidden, "documents of this kind cannot be listed")
	}
	var all []source.Recognised
	err = guarded(func() (err error) {
		all, err = lister.List(ctx, w.theClient(), source.Document{Address: w.item.Address, Secrets: secrets, State: w.item.State})
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	if len(all) > maxDocuments {
		return 0, 0, source.Errorf(source.ReasonTooLarge, "it holds %d documents, and %d is the limit", len(all), maxDocuments)
	}
	wish := &foundWish{Folder: w.row.Folder, Path: w.row.Path, How: SourceHow{Schedule: w.item.History.Every}}
	for i := range all {
		if ctx.Err() != nil {
			return added, len(all), ctx.Err()
		}
		there, err := w.add(ctx, w.target.caller, wish, &all[i], w.row.ID)
		if err == nil {
			added++
		} else if isExists(err) && there != nil {
			err = w.renew(ctx, there, &all[i].Secrets)
		}
		if err != nil {
			return added, len(all), err
		}
	}
	return added, len(all), nil
}

// renew keeps the secrets that came with a document that the collection added before: sessions end.
func (w *job) renew(ctx context.Context, there *store.Source, fresh *source.Secrets) error {
	if there.Parent != w.row.ID || len(secretKinds(fresh)) == 0 {
		return nil
	}
	if was, err := w.hub.vault.openSecrets(there.ID, there.Sealed); err == nil && mergeSecrets(fresh, &was) == was {
		return nil
	}
	return w.hub.store.EditSource(ctx, actor(w.target.caller), there.ID, "", func(n *store.Source) error {
		return w.hub.changeSecrets(n, &SourceChange{Secrets: fresh})
	})
}
