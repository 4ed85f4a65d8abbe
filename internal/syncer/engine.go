package syncer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/localfs/ignore"
	"github.com/havre-cloud/havre/internal/localfs/watch"
	"github.com/havre-cloud/havre/internal/reconcile"
)

// Config is what an Engine works with.
type Config struct {
	FS localfs.FS
	// Watcher gives hints where to look; nil leaves it to scans.
	Watcher watch.Watcher
	Remote  Remote
	Scope   havre.Scope
	// StatePath is the file of the state, made if it is not there.
	StatePath string
	// Device is this device's name as people see it, for the names of conflict copies.
	Device string
	// Ignore are the rules for what is not synchronised; read from FS if nil.
	Ignore *ignore.Tree
	Logger *slog.Logger
	// Events is called with each change that took effect, from one goroutine; it must not block.
	Events func(Event)
	// Guard says how many deletions wait for a person; reconcile.DefaultGuard if zero.
	Guard reconcile.Guard
	// ScanInterval is the time between scans of the whole tree, give or take a tenth; an hour if zero.
	ScanInterval time.Duration
	// TrashAge is how long the trash keeps what was deleted; 30 days if zero.
	TrashAge time.Duration
}

// Engine keeps one replica. Its methods may be called concurrently; Run once at a time.
type Engine struct {
	cfg   Config
	rules *ignore.Tree

	// asks are things for the control loop to do; nobody closes it.
	asks chan func(*loop)

	mu      sync.Mutex // guards the rest
	status  Status
	changed chan struct{} // closed when status changes
	clean   bool          // the temporaries of earlier processes are gone
}

// New returns an engine that does nothing until Run.
func New(cfg Config) (*Engine, error) {
	if cfg.FS == nil || cfg.Remote == nil || cfg.StatePath == "" {
		return nil, errors.New("an engine needs a disk, a server and a file for its state")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Events == nil {
		cfg.Events = func(Event) {}
	}
	if cfg.Guard == (reconcile.Guard{}) {
		cfg.Guard = reconcile.DefaultGuard
	}
	if cfg.ScanInterval == 0 {
		cfg.ScanInterval = time.Hour
	}
	if cfg.TrashAge == 0 {
		cfg.TrashAge = 30 * 24 * time.Hour
	}
	if cfg.Ignore == nil {
		cfg.Ignore = ignore.New(cfg.FS)
	}
	return &Engine{
		cfg: cfg, rules: cfg.Ignore, asks: make(chan func(*loop)),
		status: Status{State: StateStopped, Revision: -1}, changed: make(chan struct{}),
	}, nil
}

// StoppedError says that an engine cannot go on before a person has done something.
type StoppedError struct{ Cause error }

func (e *StoppedError) Error() string { return e.Cause.Error() }
func (e *StoppedError) Unwrap() error { return e.Cause }

// Run keeps the replica until ctx is done, and then returns nil. It returns a *StoppedError where
// trying again is no use: the device was revoked, the folder is gone, the state was
// written by a newer program. Everything else is tried again.
func (e *Engine) Run(ctx context.Context) error {
	defer func() { e.update(func(s *Status) { s.State = StateStopped }) }()
	wait := backoff{}
	for {
		began := time.Now()
		err := e.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		e.failed(err)
		if _, stopped := errors.AsType[*StoppedError](err); stopped {
			return err
		}
		e.cfg.Logger.Warn("session ended", "error", err)
		if time.Since(began) > time.Minute {
			wait = backoff{}
		}
		// It was the disk's fault, not the server's: nobody is relieved by a longer pause.
		if !sleep(ctx, min(wait.next(), maxSessionPause)) {
			return nil
		}
	}
}

const maxSessionPause = 10 * time.Second

// failed records what keeps the replica as a whole from going on.
func (e *Engine) failed(err error) {
	e.update(func(s *Status) {
		s.State = StateFailed
		if _, stopped := errors.AsType[*StoppedError](err); stopped {
			s.State = StateStopped
		}
		s.LastError, s.LastErrorAt = err.Error(), time.Now()
	})
}

// Rescan looks at the whole tree soon.
func (e *Engine) Rescan(ctx context.Context) error {
	return e.ask(ctx, func(l *loop) {
		l.scanAll()
		e.update(func(s *Status) {
			if s.State == StateUpToDate {
				s.State = StateSyncing // until the scan has shown that it is
			}
		})
	})
}

// Deletions decides about those that are held: with allow they happen, without it what was deleted
// comes back, on both sides.
func (e *Engine) Deletions(ctx context.Context, allow bool) error {
	return e.ask(ctx, func(l *loop) { l.decideDeletions(allow) })
}

// ask has the control loop do something and waits until it has.
func (e *Engine) ask(ctx context.Context, fn func(*loop)) error {
	done := make(chan struct{})
	select {
	case e.asks <- func(l *loop) { fn(l); close(done) }:
		<-done
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the replica is not running: %w", ctx.Err())
	}
}

// backoff gives growing pauses with jitter, from half a second to 20 seconds: so long, at most, it takes
// to notice that the server is back, and a thousand clients make less than a hundred attempts a second.
type backoff struct{ failures int }

func (b *backoff) next() time.Duration {
	d := min(500*time.Millisecond<<min(b.failures, 10), 20*time.Second)
	b.failures++
	// A hundred clients of a server that comes back must not come all at once.
	return d/2 + rand.N(d/2+1) //nolint:gosec // no secret
}

// sleep waits; it reports whether ctx was not done first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
