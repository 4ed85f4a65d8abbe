package hub

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// Act is what somebody did in one revision.
type Act struct {
	Rev     svn.Revnum
	Time    time.Time
	Author  string
	Device  havre.DeviceID // empty if it was not made through havre
	Message string
}

// Web says whether it was done in a browser.
func (a *Act) Web() bool { _, web := havre.UserOfWeb(a.Device); return web }

// Backup says whether it is a version of an online document that the server saved.
func (a *Act) Backup() bool { return havre.IsBackup(a.Device) }

// ledger remembers the log of a repository, which only grows: without it each page of a directory would
// read a file for each author. A revision takes some 200 bytes and 100 for each changed path; of
// large ones only the number of paths is kept, and the paths are read again by who needs them.
// Revision properties that an administrator changes later show after a restart.
type ledger struct {
	repo svn.Repository

	mu   sync.Mutex // guards the following, and lets one at a time read what is new
	acts []ledgerEntry
	// words shares strings that come back: authors, devices.
	words map[string]string
}

type ledgerEntry struct {
	Act
	changes []svn.PathChange // nil if there were too many
	count   int
}

// maxRemembered is how many changed paths of one revision are kept.
const maxRememberedChanges = 64

func newLedger(repo svn.Repository) *ledger {
	return &ledger{repo: repo, words: map[string]string{}}
}

// upTo reads what is missing up to rev.
func (l *ledger) upTo(ctx context.Context, rev svn.Revnum) error {
	if int(rev) < len(l.acts) {
		return nil
	}
	for r, err := range l.repo.Log(ctx, svn.Revnum(len(l.acts)), rev) {
		if err != nil {
			return err
		}
		l.acts = append(l.acts, l.entry(r))
	}
	return nil
}

func (l *ledger) entry(r *svn.Revision) ledgerEntry {
	e := ledgerEntry{Act: Act{
		Rev: r.Rev, Time: r.Date(), Author: l.word(r.Author()), Device: havre.DeviceID(l.word(r.Props[propDevice])),
		Message: r.Props[svn.PropLog],
	}, count: len(r.Changes)}
	if e.count <= maxRememberedChanges {
		e.changes = r.Changes
	}
	return e
}

func (l *ledger) word(s string) string {
	if w, ok := l.words[s]; ok {
		return w
	}
	if len(l.words) < 10_000 {
		l.words[s] = s
	}
	return s
}

// act returns what is known of a revision.
func (l *ledger) act(ctx context.Context, rev svn.Revnum) (Act, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.upTo(ctx, rev); err != nil {
		return Act{}, err
	}
	return l.acts[rev].Act, nil
}

// down yields the revisions from the first down to the last, with what they changed. They must not be
// changed. The first must not be beyond the youngest.
func (l *ledger) down(ctx context.Context, first, last svn.Revnum) iter.Seq2[*ledgerEntry, error] {
	return func(yield func(*ledgerEntry, error) bool) {
		l.mu.Lock()
		err := l.upTo(ctx, first)
		acts := l.acts
		l.mu.Unlock()
		if err != nil {
			yield(nil, err)
			return
		}
		for rev := first; rev >= max(last, 0); rev-- {
			e := acts[rev]
			if e.changes == nil && e.count > 0 {
				if e.changes, err = l.changes(ctx, rev); err != nil {
					yield(nil, err)
					return
				}
			}
			if ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			if !yield(&e, nil) {
				return
			}
		}
	}
}

func (l *ledger) changes(ctx context.Context, rev svn.Revnum) ([]svn.PathChange, error) {
	for r, err := range l.repo.Log(ctx, rev, rev) {
		if err != nil {
			return nil, err
		}
		return r.Changes, nil
	}
	return nil, nil
}

// at returns the youngest revision up to head that was made at that moment or before; 0 if there is none.
// Dates of imported histories may go back: the last revision with such a date counts.
func (l *ledger) at(ctx context.Context, moment time.Time, head svn.Revnum) (svn.Revnum, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.upTo(ctx, head); err != nil {
		return 0, err
	}
	for rev := head; rev > 0; rev-- {
		if t := l.acts[rev].Time; !t.IsZero() && !t.After(moment) {
			return rev, nil
		}
	}
	return 0, nil
}
