package hub

import (
	"container/list"
	"context"
	"sync"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// What the latest revisions may take in memory, translated, in bytes: all of them, and one.
const (
	cacheBytes = 16 << 20
	maxCached  = 4 << 20
)

// cacheKey names a revision as it looks from a directory of a repository, to those who see the same of
// it; see view.seen.
type cacheKey struct {
	location string
	prefix   svn.Path
	rev      svn.Revnum
	seen     string
}

// revisionCache keeps the latest revisions translated. The first who asks for one translates it while
// the others wait.
type revisionCache struct {
	limit int

	mu      sync.Mutex
	size    int
	order   *list.List // of *cached, the latest used first
	entries map[cacheKey]*list.Element
	working map[cacheKey]*lead
}

type cached struct {
	key   cacheKey
	parts []*havre.Revision
	size  int
}

// lead is the duty to translate a revision for all who wait.
type lead struct {
	cache *revisionCache
	key   cacheKey
	once  sync.Once
	parts []*havre.Revision // set before done is closed; nil: everybody for himself
	done  chan struct{}     // closed by end
}

func newRevisionCache(limit int) *revisionCache {
	return &revisionCache{limit: limit, order: list.New(), entries: map[cacheKey]*list.Element{}, working: map[cacheKey]*lead{}}
}

// get returns the revision if it is there. The parts are shared.
func (c *revisionCache) get(key cacheKey) []*havre.Revision {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lookUp(key)
}

// lookUp is get; c.mu is held.
func (c *revisionCache) lookUp(key cacheKey) []*havre.Revision {
	e, ok := c.entries[key]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return held(e).parts
}

// claim returns the revision, or the duty to translate it, which must be ended, or neither if whoever had
// the duty could not keep it.
func (c *revisionCache) claim(ctx context.Context, key cacheKey) ([]*havre.Revision, *lead, error) {
	c.mu.Lock()
	if parts := c.lookUp(key); parts != nil {
		c.mu.Unlock()
		return parts, nil, nil
	}
	l, busy := c.working[key]
	if !busy {
		l = &lead{cache: c, key: key, done: make(chan struct{})}
		c.working[key] = l
		c.mu.Unlock()
		return nil, l, nil
	}
	c.mu.Unlock()
	select {
	case <-l.done:
		return l.parts, nil, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// end gives the translated revision to those who wait, and keeps it; nil if there is none to keep.
// Only the first call counts.
func (l *lead) end(parts []*havre.Revision) {
	l.once.Do(func() {
		c := l.cache
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.working, l.key)
		if parts != nil {
			c.keep(&cached{key: l.key, parts: parts, size: sizeOf(parts...)})
		}
		l.parts = parts
		close(l.done)
	})
}

// keep adds to the cache and drops what was not used for long; c.mu is held.
func (c *revisionCache) keep(e *cached) {
	c.entries[e.key] = c.order.PushFront(e)
	c.size += e.size
	for c.size > c.limit && c.order.Len() > 1 {
		last := c.order.Back()
		old := held(last)
		c.order.Remove(last)
		delete(c.entries, old.key)
		c.size -= old.size
	}
}

// held returns what an element of order is.
func held(e *list.Element) *cached {
	c, ok := e.Value.(*cached)
	if !ok {
		panic("hub: something else in the cache")
	}
	return c
}

// sizeOf estimates the memory that parts take, in bytes.
func sizeOf(parts ...*havre.Revision) int {
	size := 0
	for _, r := range parts {
		size += 256 + len(r.Message)
		for _, m := range r.Moves {
			size += 32 + len(m.From) + len(m.To)
		}
		for _, p := range r.Removed {
			size += 16 + len(p)
		}
		for i := range r.Ops {
			size += 192 + len(r.Ops[i].Path) + len(r.Ops[i].Content)
		}
	}
	return size
}
