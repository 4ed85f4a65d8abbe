package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/home"
	"github.com/havre-cloud/havre/internal/source"
)

// How a run that ends treats instances that ask for a pause.
const (
	backupPatience = 15 * time.Minute // it waits for shorter ones
	backupRetries  = 100
	listAgain      = time.Hour // a collection is listed again
	indexPause     = 10 * time.Second
)

// backup is a directory of copies that is being worked on: the source.Queue of its documents.
type backup struct {
	source.JobList

	con      *console
	registry *source.Registry
	client   *source.Client
	dir      *source.Directory
	state    *backupState
	secrets  *secretStore
	given    *givenSecrets // what secrets hold, and what was given and has not worked yet
	show     *backupShow
	lock     *home.Lock
	title    string
	watch    bool
	live     bool

	mu      sync.Mutex // guards what follows, and the records of jobs that are not taken
	records map[string]*backupRecord
	retries map[string]int
	stale   bool // the index has to be written again
	lives   sync.WaitGroup
	ctx     context.Context // of run, for what is followed: collections add to it
}

// openBackup opens the directory of copies, which is made if that is wanted, and locks it.
func openBackup(con *console, registry *source.Registry, h *homeFlag, flags backupFlags, path string, create bool) (*backup, error) {
	if !create {
		if err := isBackup(path); err != nil {
			return nil, err
		}
	}
	b := &backup{con: con, registry: registry, records: map[string]*backupRecord{}, retries: map[string]int{}, title: filepath.Base(path)}
	if err := b.open(h, flags, path); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *backup) open(h *homeFlag, flags backupFlags, path string) error {
	// The lock's directory is for the person only; that of the copies need not be.
	if err := os.MkdirAll(path, 0o777); err != nil {
		return fmt.Errorf("make the directory for copies: %w", err)
	}
	own, err := home.Open(filepath.Join(path, source.OwnDir))
	if err != nil {
		return fmt.Errorf("open the directory: %w", err)
	}
	b.lock, err = own.Lock()
	if _, ok := errors.AsType[*home.RunningError](err); ok {
		return &backupError{exitFailed, fmt.Sprintf("another havre is working on %s; two would get in each other's way", shown(path))}
	} else if err != nil {
		return fmt.Errorf("lock the directory: %w", err)
	}
	if b.dir, err = source.OpenDirectory(path, nil); err != nil {
		return err
	}
	b.state = &backupState{dir: b.dir}
	if err := b.state.open(); err != nil {
		return err
	}
	records, err := b.state.load()
	if err != nil {
		return err
	}
	for _, r := range records {
		b.records[r.Address.URL] = r
		b.dir.Claim(r.Name)
	}
	place := h.Home
	if place == "" {
		if place, err = home.DefaultDir(); err != nil {
			return fmt.Errorf("no place for secrets: %w; say which with --home DIR", err)
		}
	}
	b.secrets = openSecrets(filepath.Join(place, "backup"))
	b.given = newGivenSecrets(b.secrets)
	b.client = source.NewClient(source.ClientOptions{
		Contact: flags.Contact, Version: programVersion(), AllowPrivate: flags.AllowPrivate, Budgets: b.state.budgets(), Logger: b.con.log,
	})
	b.show = newBackupShow(b.con)
	b.show.paused = func() (string, time.Time) { return longestPause(b.client, &b.JobList) }
	return nil
}

// longestPause returns which instance keeps due jobs waiting for longest, and until when; empty if none does.
func longestPause(c *source.Client, jobs *source.JobList) (instance string, until time.Time) {
	now := time.Now()
	due, err := jobs.Instances(context.Background(), now)
	if err != nil {
		return "", time.Time{}
	}
	for _, one := range due {
		if at := c.Ready(one); at.After(now) && at.After(until) {
			instance, until = one, at
		}
	}
	return instance, until
}

func (b *backup) close() {
	if b.client != nil {
		b.client.CloseIdle()
	}
	if b.dir != nil {
		b.dir.Close() //nolint:errcheck // what was written is closed and synced
	}
	if b.lock != nil {
		b.lock.Unlock() //nolint:errcheck // the end of the process does it too
	}
}

// add takes up a document that was named.
func (b *backup) add(g givenAddress) error {
	for _, r := range g.kinds {
		b.given.give(r.Address.URL, r.Secrets)
	}
	first := g.kinds[0]
	if old := b.records[first.Address.URL]; old != nil {
		old.explicit = old.explicit || g.explicit
		return nil
	}
	r := &backupRecord{explicit: g.explicit || first.Likelihood == source.Certain}
	r.Address, r.Title = first.Address, g.title
	// An address with which more can be done than to read may not tell the document's own name: its instance does.
	if first.Likelihood < source.Certain || first.Secrets.Address != "" {
		r.Candidates = kindsOf(g.kinds)
	}
	b.records[r.Address.URL] = r
	if !r.explicit && len(r.Candidates) > 0 {
		return nil // it is noted when somebody says that it is one
	}
	return b.state.save(r)
}

// recordOf returns the document that a person means by an address.
func (b *backup) recordOf(address string) *backupRecord {
	for _, r := range b.registry.Recognise(address) {
		if found := b.records[r.Address.URL]; found != nil {
			return found
		}
	}
	return b.records[address]
}

func (b *backup) forget(r *backupRecord) error {
	delete(b.records, r.Address.URL)
	b.stale = true
	return b.state.remove(r)
}

// run looks at all documents, once or for ever.
func (b *backup) run(ctx context.Context, watch bool) error {
	b.watch, b.ctx, b.show.clock = watch, ctx, watch
	b.mu.Lock()
	for _, r := range b.records {
		b.start(r, time.Now())
	}
	b.mu.Unlock()
	s := source.NewScheduler(b, b.client, source.SchedulerOptions{Logger: b.con.log})
	stop := b.show.begin(len(b.records))
	indexing, indexed := context.WithCancel(ctx)
	b.lives.Go(func() { b.keepIndex(indexing) })
	var err error
	if watch {
		err = s.Run(ctx)
	} else {
		err = s.RunOnce(ctx)
	}
	indexed()
	b.lives.Wait()
	stop()
	return b.finish(ctx, err)
}

// finish writes what is left and says how it went.
func (b *backup) finish(ctx context.Context, err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	saving := errors.Join(b.writeIndex(), b.state.saveBudgets(b.client.Budgets()))
	if saving != nil {
		return saving
	}
	if ctx.Err() != nil && b.watch {
		return nil
	}
	if err != nil {
		if ctx.Err() != nil {
			return &backupError{exitFailed, "stopped; what was saved is whole, and the next run goes on"}
		}
		return err
	}
	return b.show.summary(slices.Collect(maps.Values(b.records)), b.dir.Root().Name(), time.Now())
}

// start puts a document into the queue, or follows it. The caller holds the lock.
func (b *backup) start(r *backupRecord, due time.Time) {
	if b.live && len(r.Candidates) == 0 && r.Address.Collection == "" {
		if f, ok := b.follower(r.Address.Kind); ok {
			b.lives.Go(func() { b.follow(b.ctx, f, r) })
			return
		}
	}
	b.Put(source.Job{ID: r.Address.URL, Instance: r.Address.Instance}, due)
}

func (b *backup) follower(kind source.Kind) (source.Follower, bool) {
	p, ok := b.registry.Provider(kind)
	if !ok {
		return nil, false
	}
	f, ok := p.(source.Follower)
	return f, ok
}

// Work is source.Queue.Work.
func (b *backup) Work(ctx context.Context, job source.Job) error {
	b.mu.Lock()
	r := b.records[job.ID]
	if r == nil {
		b.mu.Unlock()
		return nil // another turned out to be the same
	}
	work := *r // the index reads the record meanwhile
	b.mu.Unlock()
	b.show.working(&work)
	result, err := b.look(ctx, &work)
	if err != nil || ctx.Err() != nil && !result.Outcome.Good() {
		b.show.idle(&work)
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.note(job, r, &work, result)
}

// note keeps what was found out about a document, and says when it is looked at again. The caller holds the lock.
func (b *backup) note(job source.Job, r, work *backupRecord, result source.Result) error {
	b.stale = true
	if err := b.tried(work, result); err != nil {
		return err
	}
	if moved := work.Address.URL != job.ID; moved || work.dropped != "" {
		delete(b.records, job.ID)
		if err := b.state.remove(r); err != nil {
			return err
		}
		if work.dropped != "" || b.records[work.Address.URL] != nil {
			b.show.done(work, result)
			return nil
		}
		b.records[work.Address.URL] = r
	}
	*r = *work
	job = source.Job{ID: r.Address.URL, Instance: r.Address.Instance}
	now := time.Now()
	switch {
	case b.watch && r.Address.Collection != "" && result.Outcome.Good():
		b.Put(job, now.Add(listAgain))
	case b.watch:
		next := source.Next(r.History, now, r.Address.URL)
		if b.live && result.Outcome.Good() {
			b.start(r, next) // it is known now what it is, and can be followed
		} else {
			b.Put(job, next)
		}
	case result.Outcome == source.OutcomeLimited && result.Until.Sub(now) < backupPatience && b.retries[job.ID] < backupRetries:
		b.retries[job.ID]++
		until := result.Until
		if until.IsZero() {
			until = now.Add(time.Minute)
		}
		b.Put(job, until)
		b.show.idle(r)
		return nil
	}
	b.show.done(r, result)
	if !r.explicit && len(r.Candidates) > 0 {
		return nil // nobody knows yet what it is
	}
	return b.state.save(r)
}

// tried keeps the secrets with which a document was looked at, if they are to be kept.
func (b *backup) tried(r *backupRecord, result source.Result) error {
	err := b.given.tried(r.Address.URL, result.Outcome)
	for _, a := range r.Candidates {
		if a.URL != r.Address.URL {
			err = errors.Join(err, b.given.tried(a.URL, result.Outcome))
		}
	}
	return err
}

// look does what is to be done with a document: asks what it is, lists a collection, or fetches it.
func (b *backup) look(ctx context.Context, r *backupRecord) (source.Result, error) {
	if len(r.Candidates) > 0 {
		if result, known := b.identify(ctx, r); !known {
			return result, nil
		}
	}
	secrets, err := b.given.get(r.Address.URL)
	if err != nil {
		return source.Result{}, err
	}
	p, ok := b.registry.Provider(r.Address.Kind)
	if !ok {
		return r.failed(source.Errorf(source.ReasonAddress, "this version of havre does not know %s", r.Address.Kind)), nil
	}
	if r.Address.Collection != "" {
		return b.list(ctx, p, secrets, r), nil
	}
	return source.Check(ctx, b.client, p, secrets, b.dir, &r.Item)
}

// failed notes an error as the document's result.
func (r *backupRecord) failed(err error) source.Result {
	result := source.FailedResult(time.Now(), err)
	r.Last, r.History = result, r.History.Add(result)
	return result
}

// identify asks what a document is whose address does not tell.
func (b *backup) identify(ctx context.Context, r *backupRecord) (result source.Result, known bool) {
	failed := error(source.Errorf(source.ReasonForeign, "nobody knows what this address is"))
	for i, a := range r.Candidates {
		p, ok := b.registry.Provider(a.Kind)
		if !ok {
			continue
		}
		secrets, err := b.given.get(a.URL)
		if err != nil {
			return r.failed(err), false
		}
		found, err := p.Probe(ctx, b.client, source.Recognised{Address: a, Secrets: secrets, Likelihood: source.Possible})
		if err == nil {
			b.given.give(found.Address.URL, found.Secrets)
			r.Address, r.Candidates = found.Address, nil
			return source.Result{}, true
		}
		if e, ok := errors.AsType[*source.Error](err); !ok || e.Reason != source.ReasonForeign || i == 0 {
			failed = err // what it most likely is tells most
		}
	}
	result = r.failed(failed)
	if !r.explicit && result.Outcome != source.OutcomeLimited {
		r.dropped = result.Error
	}
	return result, false
}

// list finds out what is in a collection, and takes up what is new.
func (b *backup) list(ctx context.Context, p source.Provider, secrets source.Secrets, r *backupRecord) source.Result {
	lister, ok := p.(source.Lister)
	if !ok {
		return r.failed(source.Errorf(source.ReasonAddress, "what is at this address cannot be listed"))
	}
	found, err := lister.List(ctx, b.client, source.Document{Address: r.Address, Secrets: secrets, State: r.State})
	if err != nil {
		return r.failed(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	before := len(b.records)
	for _, one := range found {
		if b.records[one.Address.URL] != nil {
			continue
		}
		if err := b.add(givenAddress{kinds: []source.Recognised{one}, explicit: true}); err != nil {
			return r.failed(err)
		}
		added := b.records[one.Address.URL]
		added.From = r.Address.URL
		b.start(added, time.Now())
	}
	result := source.Result{When: time.Now().UTC(), Outcome: source.OutcomeUnchanged}
	if n := len(b.records) - before; n > 0 {
		result.Outcome = source.OutcomeChanged
		b.show.more(n)
	}
	r.Summary = counted(int64(len(found)), "document")
	r.Last, r.History = result, r.History.Add(result)
	return result
}

// follow keeps a document current as it is written, until the context ends.
func (b *backup) follow(ctx context.Context, f source.Follower, r *backupRecord) {
	for ctx.Err() == nil {
		secrets, err := b.given.get(r.Address.URL)
		if err == nil && secrets.Author == "" {
			secrets.Author, err = b.secrets.author(r.Address.Instance)
		}
		if err != nil {
			b.show.say(r, "the document is not followed, but looked at from time to time: "+err.Error())
			b.mu.Lock()
			defer b.mu.Unlock()
			b.Put(source.Job{ID: r.Address.URL, Instance: r.Address.Instance}, source.Next(r.History, time.Now(), r.Address.URL))
			return
		}
		// A copy, for the index reads the record meanwhile.
		item := r.Item
		err = source.Live(ctx, b.client, f, secrets, b.dir, &item, nil, func(i *source.Item, result source.Result) {
			b.mu.Lock()
			defer b.mu.Unlock()
			r.Item, b.stale = *i, true
			b.show.done(r, result)
			if err := errors.Join(b.tried(r, result), b.state.save(r)); err != nil {
				b.show.say(r, err.Error())
			}
		})
		if err != nil || ctx.Err() != nil {
			return
		}
		now := time.Now()
		if pause(ctx, source.Next(item.History, now, r.Address.URL).Sub(now)) != nil {
			return
		}
	}
}

// keepIndex writes the lists while documents change.
func (b *backup) keepIndex(ctx context.Context) {
	for pause(ctx, indexPause) == nil {
		b.mu.Lock()
		err := b.writeIndex()
		b.mu.Unlock()
		if err != nil {
			b.con.log.Warn("the list of copies was not written", "error", err)
		}
	}
}

// writeIndex writes the lists if they changed. The caller holds the lock.
func (b *backup) writeIndex() error {
	if !b.stale {
		return nil
	}
	var entries []source.IndexEntry
	for _, r := range b.records {
		if r.explicit || len(r.Candidates) == 0 {
			entries = append(entries, r.IndexEntry())
		}
	}
	b.stale = false
	return b.dir.WriteIndex(b.title, entries)
}
