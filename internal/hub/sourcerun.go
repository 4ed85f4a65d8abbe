package hub

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/store"
)

// A source is held by the server that works on it, in the database, so that several servers on one database do
// not do the same twice. What a server that died held is free after holdFor.
const (
	holdFor   = time.Minute
	holdEvery = 15 * time.Second
)

// backups makes the server's backups of online documents. It is safe for concurrent use.
type backups struct {
	hub      *Hub
	log      *slog.Logger
	registry *source.Registry
	client   source.ClientOptions // without what an administrator says
	place    string               // begins the holders of all processes that ever worked on the data directory
	holder   string               // this process
	lists    chan struct{}        // holds one: lists are to be looked at
	asks     chan struct{}        // the same for what has to be asked
	saved    string               // budgets as they were kept last; of hold, and of run at its end

	mu        sync.Mutex // guards the following
	version   chan struct{}
	current   *source.Client
	scheduler *source.Scheduler
	restart   context.CancelFunc                   // begins anew, with other settings
	work      map[SourceID]context.CancelCauseFunc // what is being done
}

func newBackups(h *Hub, registry *source.Registry, client source.ClientOptions) *backups {
	if registry == nil {
		registry = source.NewRegistry()
	}
	client.Logger = h.log
	b := &backups{
		hub: h, log: h.log, registry: registry, client: client, place: placeOf(h.dir), holder: placeOf(h.dir) + strings.ToLower(rand.Text()),
		lists: make(chan struct{}, 1), asks: make(chan struct{}, 1), version: make(chan struct{}), work: map[SourceID]context.CancelCauseFunc{},
	}
	b.current = source.NewClient(client)
	return b
}

// placeOf tells a data directory from those of other servers on the same database.
func placeOf(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	host, _ := os.Hostname() // without one, the directory has to tell
	sum := sha256.Sum256([]byte(host + "\x00" + dir))
	return hex.EncodeToString(sum[:8]) + "-"
}

// changed returns what is closed with the next change of a source that this process makes.
func (b *backups) changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.version
}

// tell ends the waiting for changes.
func (b *backups) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.version)
	b.version = make(chan struct{})
}

// wake makes the scheduler look for what is due.
func (b *backups) wake() {
	b.mu.Lock()
	s := b.scheduler
	b.mu.Unlock()
	if s != nil {
		s.Wake()
	}
	b.tell()
}

func (b *backups) checkLists() {
	poke(b.lists)
	poke(b.asks)
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (b *backups) theClient() *source.Client {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.current
}

// errStopped ends work on a source that a person has paused, changed or removed, or that another server has.
var errStopped = errors.New("the source is not to be worked on any more")

// stop ends what is being done for a source in this process.
func (b *backups) stop(id SourceID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if cancel := b.work[id]; cancel != nil {
		cancel(errStopped)
	}
}

// RunSources makes backups until ctx is done.
func (h *Hub) RunSources(ctx context.Context) error {
	b := h.backups
	// The lock of the data directory is ours: whoever held something with it before is dead.
	err := h.store.FreeSources(ctx, b.place)
	for err == nil && ctx.Err() == nil {
		err = b.run(ctx)
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return full(err)
}

// run makes backups until ctx is done or the settings change.
func (b *backups) run(ctx context.Context) error {
	settings, err := b.hub.SourceSettings(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client := source.NewClient(settings.apply(b.client, b.budgets(ctx)))
	defer client.CloseIdle()
	scheduler := source.NewScheduler(b, client, source.SchedulerOptions{Logger: b.log})
	b.mu.Lock()
	b.current, b.scheduler, b.restart = client, scheduler, cancel
	b.mu.Unlock()

	var g errgroup.Group
	g.Go(func() error { return scheduler.Run(ctx) })
	g.Go(func() error { return b.checkAddresses(ctx) })
	g.Go(func() error { return b.keepIndexes(ctx) })
	g.Go(func() error { return b.hold(ctx, settings) })
	err = g.Wait()
	cancel()
	b.awaitWork()
	b.mu.Lock()
	b.scheduler, b.restart = nil, nil
	b.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	return errors.Join(err, b.saveBudgets(ctx), b.hub.store.ReleaseSources(ctx, b.holder))
}

// budgets returns how much of instances may be asked, as far as this server or the one before it knows.
func (b *backups) budgets(ctx context.Context) map[string]source.Budget {
	if known := b.theClient().Budgets(); len(known) > 0 {
		return known
	}
	var kept map[string]source.Budget
	if text, err := b.hub.store.Setting(ctx, store.SettingBudgets); err == nil && text != "" {
		_ = json.Unmarshal([]byte(text), &kept) // only the hub writes it
	}
	return kept
}

// saveBudgets keeps what is known of instances for the next start: one that counts requests goes on counting.
func (b *backups) saveBudgets(ctx context.Context) error {
	text, err := marshal(b.theClient().Budgets())
	if err != nil || text == b.saved {
		return err
	}
	b.saved = text
	return full(b.hub.store.SetSetting(ctx, store.SettingBudgets, text))
}

// awaitWork waits until nothing is followed any more; the scheduler has waited for its own.
func (b *backups) awaitWork() {
	for {
		b.mu.Lock()
		n := len(b.work)
		changed := b.version
		b.mu.Unlock()
		if n == 0 {
			return
		}
		<-changed // end tells
	}
}

// hold keeps what this process works on from other servers, ends the work on what it has lost, and notices settings
// that another process has changed.
func (b *backups) hold(ctx context.Context, settings SourceSettings) error {
	tick := time.NewTicker(holdEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		held, err := b.hub.store.HoldSources(ctx, b.holder, b.hub.now().Add(holdFor))
		if err != nil {
			b.log.LogAttrs(ctx, slog.LevelError, "sources not held", slog.Any("error", err))
			continue
		}
		b.mu.Lock()
		for id, cancel := range b.work {
			if _, mine := held[id]; !mine {
				cancel(errStopped)
			}
		}
		b.mu.Unlock()
		if err := b.saveBudgets(ctx); err != nil {
			b.log.LogAttrs(ctx, slog.LevelWarn, "budgets of instances not kept", slog.Any("error", err))
		}
		if now, err := b.hub.SourceSettings(ctx); err == nil && !now.equal(&settings) {
			b.begin()
		}
	}
}

// begin makes run begin anew.
func (b *backups) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.restart != nil {
		b.restart()
	}
}

// Instances is of source.Queue.
func (b *backups) Instances(ctx context.Context, _ time.Time) ([]string, error) {
	return b.hub.store.DueInstances(ctx, b.hub.now())
}

// Take is of source.Queue.
func (b *backups) Take(ctx context.Context, instance string, _ time.Time, limit int) ([]source.Job, error) {
	now := b.hub.now()
	ids, err := b.hub.store.ClaimSources(ctx, b.holder, instance, now, now.Add(holdFor), limit)
	jobs := make([]source.Job, len(ids))
	for i, id := range ids {
		jobs[i] = source.Job{ID: string(id), Instance: instance}
	}
	return jobs, err
}

// Next is of source.Queue.
func (b *backups) Next(ctx context.Context) (time.Time, error) {
	return b.hub.store.DueSource(ctx, b.hub.now())
}
