package syncer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/localfs/watch"
	"github.com/havre-cloud/havre/internal/reconcile"
	"github.com/havre-cloud/havre/internal/syncer/state"
	"github.com/havre-cloud/havre/svn"
)

// quiet is how long a path must be left alone before it is looked at. An edit must reach the others
// in tens of milliseconds. A file that a program still has open is complete when it closes it, or may
// be when nothing was written for much longer. Programs that save by renaming take the name away for
// some milliseconds, and some for much longer.
var quiet = watch.Quiet{Closed: 15 * time.Millisecond, Written: writtenQuiet, Gone: goneQuiet}

// writtenQuiet is how long nothing must have been written to a file that may still be open.
const writtenQuiet = 400 * time.Millisecond

// goneQuiet is how long a name must be missing before the file counts as deleted.
const goneQuiet = 200 * time.Millisecond

// loop is one life of the control loop. Everything in it belongs to the goroutine of run.
type loop struct {
	*Engine
	db       *state.DB
	features localfs.Features
	wg       sync.WaitGroup

	// The server.
	remote    chan remoteEvent // by the listener; nobody closes it
	listening bool
	deaf      bool // what the listener still says is of no interest
	// stopListening ends the listener.
	stopListening context.CancelFunc
	listenAt      time.Time // when to connect again
	listenWait    backoff
	repository    string
	cursor        svn.Revnum // up to which the remote tree is complete; -1: not listed yet
	ended         bool       // nothing may be read any more
	net           *network
	inline        inlineCache

	// The disk.
	queue    scanQueue
	scans    *lane[*scanJob]
	hashes   *lane[*scanJob] // of large files
	looked   bool            // the first scan is done
	nextScan time.Time
	wait     watch.Quiet
	hintsIn  time.Duration // until the next hint, negative: none

	// What is to be done.
	planDue   bool
	planAgain bool // something changed since the pass began
	planTime  time.Time
	planFrom  reconcile.NodeID // where the pass goes on
	busy      map[reconcile.NodeID]bool
	retries   map[reconcile.NodeID]retry
	noticed   map[reconcile.NodeID]time.Time
	problems  problems
	touched   map[svn.Path]bool // directories to sync before the transaction ends
	events    []Event           // to tell when the transaction has ended

	fetches   *lane[*fetchJob]
	downloads *lane[*fetchJob] // of large files
	downAt    time.Time        // no fetching before
	downWait  backoff
	fullWait  backoff
	// waitingLarge: there are large files that no worker is free for.
	waitingLarge bool

	commits  *lane[*commitJob]
	ready    []*commitJob // to be sent when the transaction has ended
	uploads  *lane[*uploadJob]
	uploaded map[reconcile.NodeID]upload
	asked    map[string]*commitJob     // by ID; not answered yet
	answered map[svn.Revnum]*commitJob // whose revisions have not come back yet; their nodes are busy
	upAt     time.Time                 // no committing before
	upWait   backoff
	// commitLimit is how many changes the next commit has; fewer after one that failed as a whole.
	commitLimit int
	misled      bool // what is known of the server is wrong

	held      reconcile.Round // the counts of the last pass
	kept      []state.Kept    // what was set aside, the latest first
	statusAt  time.Time
	lastError error
	errorAt   time.Time
}

type retry struct {
	at        time.Time
	failures  int
	untilNews bool // or until the server has something new
}

// session runs one life of the control loop.
func (e *Engine) session(ctx context.Context) error {
	e.update(func(s *Status) {
		if s.State == StateStopped {
			s.State = StateStarting
		}
	})
	if err := e.cfg.FS.Check(e.cfg.Scope.Folder); err != nil {
		return err
	}
	db, err := state.Open(ctx, e.cfg.StatePath)
	if err != nil {
		if havre.CodeOf(err) == havre.CodeInvalid {
			return &StoppedError{err}
		}
		return err
	}
	if err := e.cleanOnce(trashAge(db, e.cfg.TrashAge)); err != nil {
		return errors.Join(err, db.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	l := e.newLoop(ctx, db)
	err = l.run(ctx)
	cancel()
	l.wg.Wait()
	l.discard()
	return errors.Join(err, db.Close())
}

// cleanOnce tidies up after earlier processes.
func (e *Engine) cleanOnce(age time.Duration) error {
	e.mu.Lock()
	done := e.clean
	e.clean = true
	e.mu.Unlock()
	if done {
		return nil
	}
	if err := e.cfg.FS.Clean(); err != nil {
		return err
	}
	if err := e.cfg.FS.ExpireTrash(age); err != nil {
		e.cfg.Logger.Warn("the trash cannot be emptied", "error", err)
	}
	return nil
}

func (e *Engine) newLoop(ctx context.Context, db *state.DB) *loop {
	l := &loop{
		Engine: e, db: db, features: e.cfg.FS.Features(),
		remote: make(chan remoteEvent), net: newNetwork(), wait: quiet, hintsIn: -1,
		busy: map[reconcile.NodeID]bool{}, retries: map[reconcile.NodeID]retry{},
		noticed: map[reconcile.NodeID]time.Time{}, touched: map[svn.Path]bool{},
		uploaded: map[reconcile.NodeID]upload{}, asked: map[string]*commitJob{}, answered: map[svn.Revnum]*commitJob{}, commitLimit: commitChanges,
	}
	l.queue.init()
	l.scans = newLane(ctx, &l.wg, 1, 1, e.scan)
	l.hashes = newLane(ctx, &l.wg, 1, 1, e.scan)
	l.fetches = newLane(ctx, &l.wg, 2, 3, l.fetchWork)
	l.downloads = newLane(ctx, &l.wg, 1, 1, l.fetchWork)
	l.commits = newLane(ctx, &l.wg, 1, 2, l.commitWork)
	l.uploads = newLane(ctx, &l.wg, 1, 1, l.uploadWork)
	if w := e.cfg.Watcher; w != nil {
		l.wg.Go(func() {
			wait := backoff{}
			for {
				if err := w.Run(ctx); err != nil && ctx.Err() == nil {
					e.cfg.Logger.Warn("the watching of the directory ended", "error", err)
				}
				if !sleep(ctx, wait.next()) {
					return
				}
			}
		})
	}
	return l
}

// discard gives back what workers made that nobody wants any more.
func (l *loop) discard() {
	for _, lane := range []*lane[*fetchJob]{l.fetches, l.downloads} {
		for {
			select {
			case j := <-lane.done:
				j.discard()
				continue
			default:
			}
			break
		}
	}
}

func (l *loop) run(ctx context.Context) error {
	if err := l.load(); err != nil {
		return err
	}
	l.scanAll()
	l.planSoon()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var hints <-chan struct{}
	if l.cfg.Watcher != nil {
		hints = l.cfg.Watcher.Wake()
	}
	for {
		if err := l.step(ctx); err != nil {
			return err
		}
		timer.Reset(l.untilNext())
		err := error(nil)
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-hints:
		case <-l.net.changed:
		case e := <-l.remote:
			err = l.heard(ctx, e)
		case j := <-l.scans.done:
			l.scans.busy--
			err = l.saw(j)
		case j := <-l.hashes.done:
			l.hashes.busy--
			err = l.saw(j)
		case j := <-l.fetches.done:
			l.fetches.busy--
			err = l.fetched(j)
		case j := <-l.downloads.done:
			l.downloads.busy--
			err = l.fetched(j)
		case j := <-l.commits.done:
			l.commits.busy--
			err = l.committed(j)
		case j := <-l.uploads.done:
			l.uploads.busy--
			err = l.sent(j)
		case fn := <-l.asks:
			fn(l)
		}
		if err != nil {
			return err
		}
	}
}

// load reads what the last session left.
func (l *loop) load() error {
	return l.tx(func() {
		l.cursor = -1
		if v := l.db.Setting(settingCursor); v != "" {
			l.cursor = parseRev(v)
		}
		l.repository = l.db.Setting(settingRepository)
		l.ended = l.db.Setting(settingEnded) != ""
		l.loadKept()
	})
}

// tx does something in a transaction of the state. What was changed on disk is made durable
// before the state says so.
func (l *loop) tx(fn func()) error {
	l.db.Begin()
	fn()
	if len(l.touched) > 0 {
		dirs := make([]svn.Path, 0, len(l.touched))
		for d := range l.touched {
			dirs = append(dirs, d)
		}
		clear(l.touched)
		if err := l.cfg.FS.SyncDirs(dirs); err != nil {
			l.db.Rollback()
			return err
		}
	}
	if err := l.db.Commit(); err != nil {
		return err
	}
	for _, e := range l.events {
		l.cfg.Events(e)
	}
	clear(l.events)
	l.events = l.events[:0]
	return nil
}

// step does what can be done without waiting.
func (l *loop) step(ctx context.Context) error {
	now := time.Now()
	if l.nextScan.Before(now) {
		l.scanAll()
		if err := l.tx(l.loadKept); err != nil {
			return err
		}
	}
	l.takeHints()
	if err := l.startScans(); err != nil {
		return err
	}
	if !l.listening && !l.listenAt.After(now) {
		l.listen(ctx)
	}
	l.wake(now)
	if l.planDue && l.looked && l.cursor >= 0 {
		if err := l.tx(func() { l.plan(now) }); err != nil {
			return err
		}
		l.send()
	}
	return l.report(now)
}

// wake has what waited for a time planned again.
func (l *loop) wake(now time.Time) {
	for id, r := range l.retries {
		if !r.at.IsZero() && !r.at.After(now) {
			r.at = time.Time{}
			l.retries[id] = r
			l.planSoon()
		}
	}
	for _, at := range []*time.Time{&l.downAt, &l.upAt} {
		if !at.IsZero() && !at.After(now) {
			*at = time.Time{}
			l.planSoon()
		}
	}
}

// planSoon has the next step look at what differs.
func (l *loop) planSoon() { l.planDue, l.planAgain = true, true }

// untilNext is when there is something to do without anybody saying so.
func (l *loop) untilNext() time.Duration {
	now := time.Now()
	due := l.planDue && l.looked && l.cursor >= 0
	if due || !l.statusAt.IsZero() && !l.statusAt.After(now) {
		return 0 // it came due since the step looked
	}
	next := l.nextScan
	sooner := func(t time.Time) {
		if !t.IsZero() && t.After(now) && t.Before(next) {
			next = t
		}
	}
	if !l.listening {
		sooner(l.listenAt)
	}
	sooner(l.downAt)
	sooner(l.upAt)
	sooner(l.statusAt)
	for _, r := range l.retries {
		sooner(r.at)
	}
	if t, ok := l.queue.next(); ok {
		sooner(t)
	}
	d := next.Sub(now)
	if l.hintsIn >= 0 {
		d = min(d, l.hintsIn)
	}
	return max(d, 0)
}

// localPath returns where a node is on disk, and whether it is.
func (l *loop) localPath(id reconcile.NodeID) (svn.Path, bool) {
	path := svn.Path("")
	for id != reconcile.Root {
		n := l.db.Get(id)
		if n == nil || n.Local == nil {
			return "", false
		}
		path = svn.Path(n.Local.Name).Join(string(path))
		id = n.Local.Parent
	}
	return path, true
}

// remotePath returns where a node is on the server, and whether it is.
func (l *loop) remotePath(id reconcile.NodeID) (svn.Path, bool) {
	path := svn.Path("")
	for id != reconcile.Root {
		n := l.db.Get(id)
		if n == nil || n.Remote == nil {
			return "", false
		}
		path = svn.Path(n.Remote.Name).Join(string(path))
		id = n.Remote.Parent
	}
	return path, true
}

// again has a node tried again after a pause that grows with its failures.
func (l *loop) again(id reconcile.NodeID, first time.Duration, untilNews bool) {
	r := l.retries[id]
	d := min(first<<min(r.failures, 8), 10*time.Minute)
	l.retries[id] = retry{at: time.Now().Add(d), failures: r.failures + 1, untilNews: untilNews}
}

// settled forgets the failures of a node that got on.
func (l *loop) settled(id reconcile.NodeID) {
	delete(l.retries, id)
	delete(l.noticed, id)
}

// notice remembers when the change of a node was noticed, for the events.
func (l *loop) notice(id reconcile.NodeID, at time.Time) {
	if len(l.noticed) > 100_000 {
		clear(l.noticed)
	}
	l.noticed[id] = at
}

// tell records an event for when the transaction has ended.
func (l *loop) tell(id reconcile.NodeID, e Event) {
	e.Time = time.Now()
	if at, ok := l.noticed[id]; ok {
		e.Took = e.Time.Sub(at)
	}
	l.events = append(l.events, e)
}
