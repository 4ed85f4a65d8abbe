package source

import (
	"context"
	"slices"
	"sync"
	"time"
)

// When the writing in a followed document is over, or goes on for long, the whole document is fetched: with its history
// and in all its forms.
const (
	liveQuiet = time.Minute
	liveLong  = 15 * time.Minute
)

// Live looks at a document, and then follows it until the context ends, which is no error. What is written is saved
// as soon as it is known, and the whole document when the writing pauses. report is called after each result, one at a
// time, with the item, which nobody else may use meanwhile; it must not keep it. alive, which may be nil, is
// called whenever the instance is known to be there. An error is a result of its own and was reported: the caller
// starts again at Next.
func Live(ctx context.Context, c *Client, f Follower, secrets Secrets, target Target, item *Item, alive func(), report func(*Item, Result)) error {
	l := &live{client: c, follower: f, secrets: secrets, target: target, item: item, report: report}
	if r, err := l.check(ctx); err != nil || !r.Outcome.Good() && r.Outcome != OutcomeSuspect {
		return err
	}
	if alive == nil {
		alive = func() {}
	}
	ctx, stop := context.WithCancelCause(ctx)
	var whole sync.WaitGroup
	l.changed = make(chan struct{}, 1)
	whole.Go(func() { l.fetchWhole(ctx) })
	d := Document{Address: item.Address, Secrets: secrets, State: item.State}
	l.ended(ctx, f.Follow(ctx, c, d, alive, func(got *Copy) error { return l.save(ctx, got) }))
	stop(nil)
	whole.Wait()
	return nil
}

type live struct {
	client   *Client
	follower Follower
	secrets  Secrets
	target   Target
	report   func(*Item, Result)
	changed  chan struct{}

	mu    sync.Mutex // guards what follows, and calls of report
	item  *Item
	fresh []string // extensions of files that were saved since the last fetch began
}

// check fetches the whole document. What is written meanwhile is saved meanwhile, and not replaced by what was fetched, which
// is older. Its error is the context's.
func (l *live) check(ctx context.Context) (Result, error) {
	l.mu.Lock()
	d, complete := l.item.document(l.secrets), l.target.Complete(l.item)
	l.fresh = nil
	l.mu.Unlock()
	r := Result{When: time.Now().UTC()}
	got, err := fetch(ctx, l.client, l.follower, d, complete)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		defer got.Close() //nolint:errcheck // what could be left lies in the temporary directory
		got.Files = slices.DeleteFunc(got.Files, func(f File) bool { return slices.Contains(l.fresh, f.Ext) })
		err = take(ctx, l.target, l.item, got, &r)
	}
	r, err = l.item.noted(ctx, r, err)
	if err == nil {
		l.report(l.item, r)
	}
	return r, err
}

// ended notes why following ended, if that was not the context's end.
func (l *live) ended(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		l.note(FailedResult(time.Now(), err))
	}
}

// note records a result that is not of a check.
func (l *live) note(r Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.item.Last, l.item.History = r, l.item.History.Add(r)
	l.report(l.item, r)
}

// save saves what the follower read. What is suspect waits for the whole document, which decides: who replaces all of
// a text has it empty for a moment.
func (l *live) save(ctx context.Context, got *Copy) error {
	defer got.Close() //nolint:errcheck // what could be left lies in the temporary directory
	if got.Suspect != "" || got.Unchanged {
		l.wholeSoon()
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := Result{When: time.Now().UTC()}
	if err := save(ctx, l.target, l.item, got, &r, false); err != nil {
		return err
	}
	l.wholeSoon()
	for _, f := range got.Files {
		l.fresh = append(l.fresh, f.Ext)
	}
	r.Took = time.Since(r.When).Round(time.Millisecond)
	l.item.Last, l.item.History = r, l.item.History.Add(r)
	l.report(l.item, r)
	return nil
}

func (l *live) wholeSoon() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// fetchWhole fetches the document when the writing has been over for a minute, and at least every 15 minutes while it goes on.
func (l *live) fetchWhole(ctx context.Context) {
	for {
		select {
		case <-l.changed:
		case <-ctx.Done():
			return
		}
		latest := time.NewTimer(liveLong)
		quiet := time.NewTimer(liveQuiet)
	waiting:
		for {
			select {
			case <-l.changed:
				quiet.Reset(liveQuiet)
			case <-quiet.C:
				break waiting
			case <-latest.C:
				break waiting
			case <-ctx.Done():
				break waiting
			}
		}
		latest.Stop()
		quiet.Stop()
		// What fails now is tried again after the next change, and by whoever looks at all documents from time to time.
		if _, err := l.check(ctx); err != nil {
			return
		}
	}
}
