package fsfs

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestGather has commits come into the queue of a leader that waits for as many as there were before.
func TestGather(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name    string
		around  int // when the last group was made
		took    time.Duration
		arrive  []time.Duration // behind the leader
		want    time.Duration
		waiting int
	}{
		{"alone", 1, 10 * ms, []time.Duration{1 * ms}, 0, 1},
		{"the first", 0, 0, nil, 0, 1},
		{"all come", 3, 10 * ms, []time.Duration{1 * ms, 2 * ms, 3 * ms}, 2 * ms, 3},
		{"all are there", 3, 10 * ms, []time.Duration{0, 0}, 0, 3},
		{"some come", 4, 10 * ms, []time.Duration{1 * ms, 6 * ms}, 5 * ms, 2},
		{"nobody comes to a slow disk", 2, time.Minute, nil, maxGather, 1},
		{"more than a group has", 2 * maxGroup, 10 * ms, make([]time.Duration, maxGroup-1), 0, maxGroup},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var q commitQueue
				q.init()
				q.made(tt.around, tt.took)
				q.push(&pendingCommit{})
				for _, after := range tt.arrive {
					go func() {
						if after > 0 {
							time.Sleep(after)
						}
						q.push(&pendingCommit{})
					}()
				}
				synctest.Wait()
				start := time.Now()
				q.gather(t.Context())
				if got := time.Since(start); got != tt.want || q.length() != tt.waiting {
					t.Errorf("waited %v and had %d commits, want %v and %d", got, q.length(), tt.want, tt.waiting)
				}
				time.Sleep(time.Second) // the others end
			})
		})
	}
}

// TestGatherCalledOff has the leader's context end while it waits for others.
func TestGatherCalledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q commitQueue
		q.init()
		q.made(5, time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		start := time.Now()
		q.gather(ctx)
		if got := time.Since(start); got != time.Millisecond {
			t.Errorf("waited %v", got)
		}
	})
}
