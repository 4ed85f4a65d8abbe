package watch

import (
	"slices"
	"sync"
	"time"

	"github.com/havre-cloud/havre/svn"
)

// setLimit is how many hints a Set holds; beyond, they become one for the whole tree.
const setLimit = 100_000

// burstFactor bounds how much longer than Quiet.Gone a deletion waits for others to end.
const burstFactor = 25

// Set gathers hints. It is safe for concurrent use.
type Set struct {
	wake chan struct{} // of capacity 1; never closed

	// mu guards what follows.
	mu    sync.Mutex
	hints map[svn.Path]*Hint
	// vanished is when a name was last taken away anywhere.
	vanished time.Time
}

// NewSet returns an empty Set.
func NewSet() *Set {
	return &Set{wake: make(chan struct{}, 1), hints: make(map[svn.Path]*Hint)}
}

// What says what an event was about.
type What uint8

// The events.
const (
	Written  What = iota // the contents change, or somebody may be about to write
	Closed               // a change has ended
	Touched              // attributes changed; whether somebody still writes is not known
	Vanished             // the name is gone
	Appeared             // a whole tree may be there now
)

// Add notes an event.
func (s *Set) Add(p svn.Path, what What) {
	now := time.Now()
	s.mu.Lock()
	if len(s.hints) >= setLimit {
		clear(s.hints)
		p, what = "", Appeared
	}
	h, ok := s.hints[p]
	if !ok {
		h = &Hint{Path: p, First: now, Closed: true}
		s.hints[p] = h
	}
	h.Last = now
	switch what {
	case Written:
		h.Closed, h.Gone = false, false
	case Closed:
		h.Closed, h.Gone = true, false
	case Vanished:
		h.Closed, h.Gone = true, true
		s.vanished = now
	case Appeared:
		h.Closed, h.Gone, h.Tree = true, false, true
	case Touched:
	}
	s.mu.Unlock()
	s.signal()
}

func (s *Set) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Move notes that a directory was renamed, from and to being in the replica: hints for what is in it
// go along.
func (s *Set) Move(from, to svn.Path) {
	s.mu.Lock()
	var moved []*Hint
	for p, h := range s.hints {
		if rel, ok := p.Rel(from); ok && rel != "" {
			delete(s.hints, p)
			h.Path = to.Join(string(rel))
			moved = append(moved, h)
		}
	}
	for _, h := range moved {
		s.hints[h.Path] = h
	}
	s.mu.Unlock()
	s.Add(from, Vanished)
	s.Add(to, Closed)
}

// Wake receives when hints were added.
func (s *Set) Wake() <-chan struct{} { return s.wake }

// Take returns the hints that have been quiet for long enough: see Watcher.
func (s *Set) Take(q Quiet, limit int) ([]Hint, time.Duration) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	var ready []Hint
	next := time.Duration(-1)
	for _, h := range s.hints {
		wait := s.quietAt(h, q).Sub(now)
		switch {
		case wait <= 0:
			ready = append(ready, *h)
		case next < 0 || wait < next:
			next = wait
		}
	}
	slices.SortFunc(ready, func(a, b Hint) int { return a.Path.Compare(b.Path) })
	if len(ready) > limit {
		ready, next = ready[:limit], 0
	}
	for _, h := range ready {
		delete(s.hints, h.Path)
	}
	return ready, next
}

// quietAt returns when a hint may be taken. One deletion waits for the end of others that go on at the
// same time, though not for ever: a directory that is deleted file by file is then seen, and
// deleted elsewhere, as a whole.
func (s *Set) quietAt(h *Hint, q Quiet) time.Time {
	switch {
	case h.Gone:
		at := h.Last.Add(q.Gone)
		burst := s.vanished.Add(q.Gone)
		if last := h.Last.Add(burstFactor * q.Gone); burst.After(last) {
			burst = last
		}
		if burst.After(at) {
			return burst
		}
		return at
	case h.Closed:
		return h.Last.Add(q.Closed)
	default:
		return h.Last.Add(q.Written)
	}
}
