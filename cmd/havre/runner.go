package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/havre-cloud/havre/internal/api/apiclient"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/home"
	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/localfs/ignore"
	"github.com/havre-cloud/havre/internal/localfs/watch"
	"github.com/havre-cloud/havre/internal/syncer"
)

// runner is the running client: one engine for each replica, and what the commands ask of them. It is
// safe for concurrent use.
type runner struct {
	direct *directAgent
	remote *apiclient.Client
	id     *home.Identity
	log    *slog.Logger
	events *broadcast
	notes  chan string // what is said between the lines; never closed

	started chan *running // those to be run; never closed
	left    chan struct{} // closed by Leave: the runner ends

	change   sync.Mutex // held while replicas are added and removed, which takes a while
	mu       sync.Mutex // guards replicas
	replicas []*running
}

// running is one replica in work.
type running struct {
	home.Replica
	cancel context.CancelFunc // ends it
	ctx    context.Context    //nolint:containedctx // of the replica's own life, which Remove ends
	done   chan struct{}      // closed by the runner when it has ended

	mu        sync.Mutex     // guards what follows
	engine    *syncer.Engine // the last one, nil before the first
	failure   error          // why the last one ended
	failureAt time.Time
}

const (
	// reportLook is how often the runner looks whether the server should be told where the replicas are.
	reportLook = time.Second
	// reportPause is how often it is told while files flow, at most: what comes to rest, or fails, is
	// told at once.
	reportPause = 10 * time.Second
	// heldPause is how often it is asked what people decided while deletions wait.
	heldPause = 4 * time.Second
)

// retryEvery is how often a replica is tried that waits for a person, or for a disk.
const retryEvery = 5 * time.Second

func newRunner(h *home.Home, config *home.Config, log *slog.Logger) *runner {
	r := &runner{
		direct: newDirectAgent(h, log), remote: connect(config.Identity), id: config.Identity, log: log,
		events: newBroadcast(), notes: make(chan string, 16),
		started: make(chan *running), left: make(chan struct{}),
	}
	for _, replica := range config.Replicas {
		r.replicas = append(r.replicas, newRunning(replica))
	}
	return r
}

func newRunning(replica home.Replica) *running {
	ctx, cancel := context.WithCancel(context.Background())
	return &running{Replica: replica, ctx: ctx, cancel: cancel, done: make(chan struct{})}
}

// run keeps all replicas the same until ctx is done or the server was left.
func (r *runner) run(ctx context.Context) error {
	defer r.remote.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	begin := func(one *running) {
		wg.Go(func() {
			defer close(one.done)
			defer one.cancel()
			stop := context.AfterFunc(ctx, one.cancel)
			defer stop()
			r.keep(one)
		})
	}
	for _, one := range r.list() {
		begin(one)
	}
	wg.Go(func() { r.report(ctx) })
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.left:
			cancel()
			return nil
		case one := <-r.started:
			begin(one)
		}
	}
}

func (r *runner) list() []*running {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.replicas)
}

// keep runs the engine of a replica until the replica ends. What a person has to mend may be mended
// at any time, so an engine that gave up is started again; only a device that was revoked stays so.
func (r *runner) keep(one *running) {
	log := r.log.With("replica", one.Name(), "directory", one.Dir)
	for one.ctx.Err() == nil {
		err := r.engine(one, log)
		if one.ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("the engine ended")
		}
		one.failed(err)
		log.Warn("the replica has stopped", "error", err)
		if havre.CodeOf(err) == havre.CodeUnauthenticated {
			<-one.ctx.Done()
			return
		}
		_ = pause(one.ctx, retryEvery)
	}
}

// engine makes an engine and runs it to its end.
func (r *runner) engine(one *running, log *slog.Logger) error {
	state, err := r.direct.home.StatePath(one.Replica)
	if err != nil {
		return err
	}
	disk := localfs.NewDisk(one.Dir, r.direct.home.AsideDir(one.Replica))
	rules := ignore.New(disk)
	e, err := syncer.New(syncer.Config{
		FS: disk, Watcher: watch.New(disk.Root(), rules), Ignore: rules, Remote: r.remote, StatePath: state,
		Device: r.id.DeviceName, Logger: log, Scope: havre.Scope{Folder: one.Folder, Root: one.Path},
		Events: func(e syncer.Event) { r.events.send(r.event(one, e)) },
	})
	if err != nil {
		return err
	}
	one.begin(e)
	return e.Run(one.ctx)
}

// event is what the live views are told.
func (r *runner) event(one *running, e syncer.Event) home.Event {
	return home.Event{
		Time: e.Time, Replica: one.ID, Device: r.id.DeviceName, Up: e.Up, What: e.What, Path: e.Path, From: e.From,
		Rev: e.Rev, Bytes: e.Bytes, Count: e.Count, Took: e.Took, Place: e.Place, Text: e.Text,
	}
}

func (o *running) begin(e *syncer.Engine) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.engine = e
}

// running returns the engine, nil before the first.
func (o *running) running() *syncer.Engine {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.engine
}

// failed notes why there is no engine at the moment.
func (o *running) failed(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failure, o.failureAt = err, time.Now()
}

// status is what the replica tells about itself.
func (o *running) status() home.ReplicaStatus {
	o.mu.Lock()
	e, failure, at := o.engine, o.failure, o.failureAt
	o.mu.Unlock()
	r := home.ReplicaStatus{
		ID: o.ID, Folder: o.FolderName, Path: o.Path, Dir: o.Dir, State: home.StateStarting, Revision: -1, Problems: []home.Problem{}, Kept: []home.Kept{},
	}
	if e == nil {
		if failure != nil {
			r.State, r.LastError, r.LastErrorAt = home.StateStopped, failure.Error(), at
		}
		return r
	}
	s := e.Status()
	r.State = home.State(s.State) // the same words
	r.Revision = s.Revision
	r.PendingDown, r.PendingDownBytes = s.Down.Files, s.Down.Bytes
	r.PendingUp, r.PendingUpBytes = s.Up.Files, s.Up.Bytes
	r.HeldDown, r.HeldUp = s.HeldDown, s.HeldUp
	r.Watch = s.Watch
	r.LastError, r.LastErrorAt = s.LastError, s.LastErrorAt
	for _, p := range s.Problems {
		r.Problems = append(r.Problems, home.Problem{Path: p.Path, Text: p.Text})
	}
	r.ProblemCount = int64(s.ProblemCount)
	for _, k := range s.Kept {
		r.Kept = append(r.Kept, home.Kept{Path: k.Path, Place: k.Place, At: k.At})
	}
	r.KeptCount = int64(s.KeptCount)
	return r
}

// Status is home.Agent's.
func (r *runner) Status(context.Context) (*home.Status, error) {
	s := &home.Status{
		Running: true, Version: programVersion(), Home: r.direct.home.Dir(),
		Server: home.ServerStatus{Name: r.id.ServerName, Address: r.id.Server},
		User:   r.id.UserName, Device: r.id.DeviceName, Replicas: []home.ReplicaStatus{},
	}
	for _, one := range r.list() {
		s.Replicas = append(s.Replicas, one.status())
	}
	return s, nil
}

// Add is home.Agent's.
func (r *runner) Add(ctx context.Context, req home.AddRequest) (*home.Replica, error) {
	r.change.Lock()
	defer r.change.Unlock()
	replica, err := r.direct.Add(ctx, req)
	if err != nil {
		return nil, err
	}
	one := newRunning(*replica)
	select {
	case r.started <- one:
	case <-ctx.Done():
		return nil, ctx.Err() // it is written down: the next start finds it
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.replicas = append(r.replicas, one)
	return replica, nil
}

// Remove is home.Agent's.
func (r *runner) Remove(ctx context.Context, id string) error {
	r.change.Lock()
	defer r.change.Unlock()
	one := r.find(id)
	if one == nil {
		return r.direct.Remove(ctx, id)
	}
	one.cancel()
	<-one.done
	r.mu.Lock()
	r.replicas = slices.DeleteFunc(r.replicas, func(o *running) bool { return o == one })
	r.mu.Unlock()
	return r.direct.Remove(ctx, id)
}

func (r *runner) find(id string) *running {
	for _, one := range r.list() {
		if one.ID == id {
			return one
		}
	}
	return nil
}

// Leave is home.Agent's. The client ends afterwards: it has nothing left to do.
func (r *runner) Leave(ctx context.Context, force bool) error {
	r.change.Lock()
	defer r.change.Unlock()
	config, err := r.direct.home.Joined()
	if err != nil {
		return err
	}
	// The server first: if that fails everything goes on as before.
	if err := r.direct.revoke(ctx, r.id, force); err != nil {
		return err
	}
	for _, one := range r.list() {
		one.cancel()
		<-one.done
	}
	defer close(r.left)
	return r.direct.forget(config)
}

// Deletions is home.Agent's.
func (r *runner) Deletions(ctx context.Context, id string, allow bool) error {
	one := r.find(id)
	if one == nil {
		return &havre.Error{Code: havre.CodeNotFound, Text: "there is no such replica any more; see: havre status"}
	}
	e := one.running()
	if e == nil {
		return &havre.Error{Code: havre.CodeUnavailable, Text: fmt.Sprintf("%s is not being kept the same now; see: havre status", shown(one.Name()))}
	}
	return e.Deletions(ctx, allow)
}

var _ home.Agent = (*runner)(nil)
