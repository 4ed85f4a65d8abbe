package source

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Job is one document of a Queue that is to be looked at.
type Job struct {
	ID       string
	Instance string // Address.Instance
}

// Queue is what is to be looked at, and does it. It is safe for concurrent use.
type Queue interface {
	// Instances returns the instances of which a job that nobody has taken is due, the longest waiting first.
	Instances(ctx context.Context, now time.Time) ([]string, error)
	// Take returns up to limit such jobs of an instance, the longest waiting first. They are taken until Work has
	// returned; a queue that several processes share lets the taking expire.
	Take(ctx context.Context, instance string, now time.Time, limit int) ([]Job, error)
	// Next returns when the next job that nobody has taken is due, which may be in the past; zero if there is none.
	Next(ctx context.Context) (time.Time, error)
	// Work looks at a job's document (Check) and notes the result and when it is due again (Next). What goes wrong with
	// the document is a result; an error is one of the queue, which the scheduler logs. A context that ended leaves the job due.
	Work(ctx context.Context, job Job) error
}

// SchedulerOptions says how much a Scheduler does at once.
type SchedulerOptions struct {
	Workers     int // documents at once, 16 if zero
	PerInstance int // of one instance, 2 if zero
	Logger      *slog.Logger
}

// Scheduler has the documents of a queue looked at when they are due. No instance, however slow it is and however many
// documents it has, keeps others waiting: each gets few workers, and all in turn. Its memory does not grow
// with the queue.
type Scheduler struct {
	queue   Queue
	client  *Client
	options SchedulerOptions
	log     *slog.Logger
	wake    chan struct{}

	mu      sync.Mutex     // guards what follows
	running map[string]int // workers by instance
	total   int
}

// Bounds of how long the scheduler sleeps: a queue that others write to is looked at again, and errors are not repeated at once.
const (
	longestSleep  = time.Minute
	shortestSleep = 10 * time.Millisecond
)

// NewScheduler returns a scheduler; Run starts it.
func NewScheduler(queue Queue, client *Client, o SchedulerOptions) *Scheduler {
	o.Workers = cmp.Or(o.Workers, 16)
	o.PerInstance = cmp.Or(o.PerInstance, defaultConcurrent)
	s := &Scheduler{
		queue: queue, client: client, options: o, log: o.Logger,
		wake: make(chan struct{}, 1), running: map[string]int{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Wake makes the scheduler look at the queue at once, after something was added or made due.
func (s *Scheduler) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run works until the context ends, and then waits for what is being done.
func (s *Scheduler) Run(ctx context.Context) error { return s.run(ctx, false) }

// RunOnce works until the queue has no job any more, due or not, and none is being done; or until the context ends,
// which is then the error.
func (s *Scheduler) RunOnce(ctx context.Context) error { return s.run(ctx, true) }

func (s *Scheduler) run(ctx context.Context, once bool) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	for {
		if err := ctx.Err(); err != nil {
			if once {
				return context.Cause(ctx)
			}
			return nil
		}
		sleep, done, err := s.round(ctx, &workers)
		if err != nil && ctx.Err() == nil {
			if once {
				return err
			}
			s.log.Error("the queue of sources cannot be read", "error", err)
			sleep, done = longestSleep, false
		}
		if done && once {
			return nil
		}
		timer := time.NewTimer(sleep)
		select {
		case <-timer.C:
		case <-s.wake:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// round starts what can be started. It returns how long to sleep unless something happens, and whether
// there is nothing left to do.
func (s *Scheduler) round(ctx context.Context, workers *sync.WaitGroup) (sleep time.Duration, done bool, err error) {
	now := time.Now()
	instances, err := s.queue.Instances(ctx, now)
	if err != nil {
		return 0, false, fmt.Errorf("which instances are due: %w", err)
	}
	sleep = longestSleep
	var full bool
	// In turns: one for each instance, then the next.
	for started := true; started && !full; {
		started = false
		for _, instance := range instances {
			var place bool
			if place, full = s.place(instance); full {
				break
			} else if !place {
				continue
			}
			if wait := s.client.pausedFor(instance, now); wait > 0 {
				sleep = min(sleep, wait)
				continue
			}
			jobs, err := s.queue.Take(ctx, instance, now, 1)
			if err != nil {
				return 0, false, fmt.Errorf("take a job of %s: %w", instance, err)
			}
			for _, job := range jobs {
				started = true
				s.start(ctx, job, workers)
			}
		}
	}
	next, err := s.queue.Next(ctx)
	if err != nil {
		return 0, false, fmt.Errorf("when the next is due: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if next.After(now) {
		sleep = min(sleep, next.Sub(now))
	}
	return max(sleep, shortestSleep), next.IsZero() && s.total == 0, nil
}

// place says whether an instance may have another worker, and whether there is none left for anyone.
func (s *Scheduler) place(instance string) (place, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running[instance] < s.options.PerInstance, s.total >= s.options.Workers
}

// start works on a job in a goroutine, which wakes the scheduler at its end.
func (s *Scheduler) start(ctx context.Context, job Job, workers *sync.WaitGroup) {
	s.mu.Lock()
	s.running[job.Instance]++
	s.total++
	s.mu.Unlock()
	workers.Go(func() {
		defer s.Wake()
		defer s.stopped(job.Instance)
		if err := s.queue.Work(ctx, job); err != nil && ctx.Err() == nil {
			s.log.Error("a source could not be looked at", "job", job.ID, "instance", job.Instance, "error", err)
		}
	})
}

func (s *Scheduler) stopped(instance string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if s.running[instance]--; s.running[instance] == 0 {
		delete(s.running, instance)
	}
}
