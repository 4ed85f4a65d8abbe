package fsfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// SharedRep is a row of db/rep-cache.db: where contents with a SHA-1 are stored.
type SharedRep struct {
	SHA1 [20]byte
	Rev  svn.Revnum
	// Item is the number of the representation in its revision, or its offset there with physical
	// addressing.
	Item int64
	// Size is the number of bytes between the header line and ENDREP, Expanded that of the contents.
	Size, Expanded int64
}

// RepCache is db/rep-cache.db: a hint where contents are stored, shared with Subversion's programs.
// Nothing that it says is believed before it was compared with what is stored there. Package
// repcache implements it with SQLite. It is safe for concurrent use.
type RepCache interface {
	// Find returns the row of a SHA-1; ok is false when there is none, or no database yet. It does
	// not wait long for others: the error wraps ErrRepCacheBusy then.
	Find(ctx context.Context, sha1 [20]byte) (row SharedRep, ok bool, err error)
	// All calls do with every row, in the order of their SHA-1, and returns what it returns. malformed says why
	// something is no row, or is empty. Others can write meanwhile.
	All(ctx context.Context, do func(row SharedRep, malformed string) error) error
	// Update changes rows, and makes the database if there is none.
	Update(ctx context.Context, u *RepCacheUpdate) error
	// Close releases the database.
	Close() error
}

// RepCacheUpdate is what changes in a RepCache.
type RepCacheUpdate struct {
	// Wrong rows are removed if they are still as they are here.
	Wrong []SharedRep
	// Sweep has the rows of revisions above Youngest removed, before others are added.
	Sweep    bool
	Youngest svn.Revnum
	// Rows are added, except those whose SHA-1 has one.
	Rows []SharedRep
}

// ErrRepCacheBusy is wrapped by the errors of a RepCache that others use for too long.
var ErrRepCacheBusy = errors.New("rep-cache.db is in use by others")

// RepCacheError says that db/rep-cache.db could not be used. Commits go through without it: it costs
// that contents which the repository has already are stored again.
type RepCacheError struct {
	Dir string // of the repository
	Err error
}

func (e *RepCacheError) Error() string {
	return fmt.Sprintf("repository %s: db/rep-cache.db cannot be used, equal contents are stored again: %v", e.Dir, e.Err)
}

func (e *RepCacheError) Unwrap() error { return e.Err }

// repNotes is a Repository's use of its RepCache. Rows are written beside the commits, after they
// were answered: a row must not be there before its revision is, and nobody needs it at once.
type repNotes struct {
	dir  string
	make func() (RepCache, error) // nil: without
	note func(error)              // may be nil

	mu      sync.Mutex // guards what follows
	cache   RepCache
	closed  bool
	resting time.Time // until when the database is left alone after a failure
	update  RepCacheUpdate
	// sweep says that rows of revisions that do not exist are to be looked for.
	sweep bool
	// recent are the rows that are not written yet.
	recent  map[[20]byte]SharedRep
	writing bool
	cancel  context.CancelFunc // of what writes
	running sync.WaitGroup
	// closing is closed when the Repository is, so that nothing waits for more rows.
	closing chan struct{}
}

const (
	// restAfterFailure is how long a database is left alone that is damaged or not accessible.
	restAfterFailure = time.Minute
	// maxNotes bounds the rows that wait to be written. Others are never written.
	maxNotes = 1 << 20
	// notesAtOnce bounds the rows of one transaction: other committers wait for its end.
	notesAtOnce = 2000
	// collectTime is how long rows wait for those of the next commits: a transaction for all of them takes
	// no longer than one for a single row, and others who use the database are disturbed less.
	collectTime = 50 * time.Millisecond
	// closeWait is how long Close waits for rows to be written.
	closeWait = 3 * time.Second
)

func (r *Repository) initNotes(opts Options) {
	n := &r.notes
	n.dir, n.note = r.dir, opts.Note
	n.recent = map[[20]byte]SharedRep{}
	n.closing = make(chan struct{})
	// Rows of revisions that the repository does not have (it was restored from a backup) make
	// Subversion's programs refuse commits: the first of ours removes them.
	n.sweep = true
	if opts.RepCache != nil {
		n.make = func() (RepCache, error) {
			info, err := os.Stat(r.db("current"))
			if err != nil {
				return nil, err
			}
			return opts.RepCache(r.db("rep-cache.db"), r.format.Load().number, info.Mode().Perm())
		}
	}
}

// OpenRepCache opens the database at a path for a repository of the given format, 4 to 8. A database
// that has to be made gets the permissions mode.
type OpenRepCache func(name string, format int, mode fs.FileMode) (RepCache, error)

// open returns the database; nil when there is none to use. n.mu is held.
func (n *repNotes) open() RepCache {
	if n.cache != nil || n.make == nil || n.closed || time.Now().Before(n.resting) {
		return n.cache
	}
	c, err := n.make()
	if err != nil {
		n.fail(err)
		return nil
	}
	n.cache = c
	return c
}

// fail tells of a failure and leaves the database alone for some time. n.mu is held.
func (n *repNotes) fail(err error) {
	n.tell(err)
	n.resting = time.Now().Add(restAfterFailure)
	if cache := n.cache; cache != nil && !n.closed {
		n.cache = nil
		n.running.Go(func() { _ = cache.Close() }) // it was of no use; and may still be writing
	}
}

func (n *repNotes) tell(err error) {
	if n.note != nil {
		n.note(&RepCacheError{Dir: n.dir, Err: err})
	}
}

// find returns the row of a SHA-1. usable is false when it is no use to ask again soon.
func (n *repNotes) find(ctx context.Context, sum [20]byte) (row SharedRep, ok, usable bool) {
	n.mu.Lock()
	row, ok = n.recent[sum]
	cache := n.open()
	n.mu.Unlock()
	if ok || cache == nil {
		return row, ok, cache != nil
	}
	row, ok, err := cache.Find(ctx, sum)
	if err == nil {
		return row, ok, true
	}
	if errors.Is(err, ErrRepCacheBusy) || ctx.Err() != nil {
		return row, false, false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cache == cache {
		n.fail(err)
	}
	return row, false, false
}

// beyond has rows of revisions that do not exist removed with the next that are written.
func (n *repNotes) beyond() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sweep = true
}

// add writes rows of revisions that are visible, and removes wrong ones, beside what follows. base was the
// youngest revision before them: a row of a higher one, of before, means something else now. One that
// somebody else added meanwhile may go with them; it was a hint.
func (n *repNotes) add(base svn.Revnum, rows, wrong []SharedRep) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || len(rows) == 0 && len(wrong) == 0 || n.open() == nil {
		return
	}
	rows = rows[:min(len(rows), max(0, maxNotes-len(n.recent)))]
	n.update.Rows = append(n.update.Rows, rows...)
	n.update.Wrong = append(n.update.Wrong, wrong...)
	if n.sweep {
		n.sweep, n.update.Sweep, n.update.Youngest = false, true, base
	}
	for _, row := range rows {
		n.recent[row.SHA1] = row
	}
	if n.writing {
		return
	}
	n.writing = true
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.running.Go(func() {
		defer cancel()
		n.write(ctx)
	})
}

// write writes all rows that wait.
func (n *repNotes) write(ctx context.Context) {
	pause := time.NewTimer(collectTime)
	defer pause.Stop()
	for more := true; more; {
		select {
		case <-pause.C:
		case <-n.closing:
		}
		more = n.writeWaiting(ctx)
		pause.Reset(collectTime)
	}
}

// writeWaiting writes the rows that wait now. more is false when there were none.
func (n *repNotes) writeWaiting(ctx context.Context) (more bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	u, cache := n.update, n.cache
	n.update = RepCacheUpdate{}
	if cache == nil || len(u.Rows) == 0 && len(u.Wrong) == 0 {
		clear(n.recent)
		n.writing = false
		return false
	}
	n.mu.Unlock()
	err := updateParts(ctx, cache, u)
	n.mu.Lock()
	for _, row := range u.Rows {
		delete(n.recent, row.SHA1)
	}
	n.sweep = n.sweep || err != nil && u.Sweep
	switch {
	case err == nil:
	case errors.Is(err, ErrRepCacheBusy):
		n.tell(err)
	case n.cache == cache && ctx.Err() == nil:
		n.fail(err)
	}
	return true
}

// updateParts makes an update in transactions that are not too long.
func updateParts(ctx context.Context, cache RepCache, u RepCacheUpdate) error {
	rows := u.Rows
	for {
		u.Rows = rows[:min(len(rows), notesAtOnce)]
		rows = rows[len(u.Rows):]
		if err := cache.Update(ctx, &u); err != nil || len(rows) == 0 {
			return err
		}
		u.Wrong, u.Sweep = nil, false
	}
}

// close waits until the rows are written, for some time, and closes the database.
func (n *repNotes) close() {
	n.mu.Lock()
	n.closed = true
	close(n.closing)
	timer := time.AfterFunc(closeWait, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.cancel != nil {
			n.cancel()
		}
	})
	n.mu.Unlock()
	n.running.Wait()
	timer.Stop()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cache != nil {
		_ = n.cache.Close() // everything was written
		n.cache = nil
	}
}

// rows returns what a published revision added: its new representations.
func (s *sharing) rows(rev svn.Revnum) []SharedRep {
	rows := slices.Clone(s.fresh)
	for i := range rows {
		rows[i].Rev = rev
	}
	return rows
}
