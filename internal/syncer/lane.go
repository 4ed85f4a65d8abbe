package syncer

import (
	"context"
	"sync"
)

// lane is a number of workers that do one kind of job for the control loop. A job carries its own
// result back. Only the loop calls its methods.
type lane[J any] struct {
	jobs chan J // room for all that may be under way, so that the loop never waits; closed by nobody
	done chan J // the same
	busy int
	max  int
}

// newLane starts workers that end with ctx; at most depth jobs are under way.
func newLane[J any](ctx context.Context, wg *sync.WaitGroup, workers, depth int, work func(context.Context, J)) *lane[J] {
	l := &lane[J]{jobs: make(chan J, depth), done: make(chan J, depth), max: depth}
	for range workers {
		wg.Go(func() {
			for {
				select {
				case j := <-l.jobs:
					work(ctx, j)
					l.done <- j
				case <-ctx.Done():
					return
				}
			}
		})
	}
	return l
}

func (l *lane[J]) free() bool { return l.busy < l.max }
func (l *lane[J]) idle() bool { return l.busy == 0 }

// start gives a job to the next worker; there must be room.
func (l *lane[J]) start(j J) {
	l.reserve()
	l.begin(j)
}

// reserve counts a job that is given to begin later.
func (l *lane[J]) reserve()  { l.busy++ }
func (l *lane[J]) begin(j J) { l.jobs <- j }
