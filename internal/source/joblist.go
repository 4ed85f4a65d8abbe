package source

import (
	"cmp"
	"container/heap"
	"context"
	"slices"
	"sync"
	"time"
)

// JobList is what a Queue needs besides Work, in memory. The zero value is empty. It is safe for concurrent use.
type JobList struct {
	mu        sync.Mutex // guards instances
	instances map[string]*jobHeap
}

// Put adds a job, or gives one back that was taken.
func (l *JobList) Put(job Job, due time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.instances == nil {
		l.instances = map[string]*jobHeap{}
	}
	h := l.instances[job.Instance]
	if h == nil {
		h = &jobHeap{}
		l.instances[job.Instance] = h
	}
	heap.Push(h, dueJob{Job: job, due: due})
}

// Instances is Queue.Instances.
func (l *JobList) Instances(_ context.Context, now time.Time) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	type waiting struct {
		instance string
		since    time.Time
	}
	var list []waiting
	for instance, h := range l.instances {
		if first := (*h)[0]; !first.due.After(now) {
			list = append(list, waiting{instance, first.due})
		}
	}
	slices.SortFunc(list, func(a, b waiting) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.instance, b.instance)) })
	names := make([]string, len(list))
	for i, w := range list {
		names[i] = w.instance
	}
	return names, nil
}

// Take is Queue.Take.
func (l *JobList) Take(_ context.Context, instance string, now time.Time, limit int) ([]Job, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.instances[instance]
	var jobs []Job
	for h != nil && len(*h) > 0 && len(jobs) < limit && !(*h)[0].due.After(now) {
		jobs = append(jobs, heap.Pop(h).(dueJob).Job) //nolint:errcheck // that is what Put pushed
	}
	if h != nil && len(*h) == 0 {
		delete(l.instances, instance)
	}
	return jobs, nil
}

// Next is Queue.Next.
func (l *JobList) Next(context.Context) (time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var next time.Time
	for _, h := range l.instances {
		if first := (*h)[0].due; next.IsZero() || first.Before(next) {
			next = first
		}
	}
	return next, nil
}

type dueJob struct {
	Job
	due time.Time
}

// jobHeap is a heap.Interface, the longest waiting first.
type jobHeap []dueJob

func (h jobHeap) Len() int           { return len(h) }
func (h jobHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h jobHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *jobHeap) Push(x any)        { *h = append(*h, x.(dueJob)) } //nolint:errcheck // heap's contract
func (h *jobHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
