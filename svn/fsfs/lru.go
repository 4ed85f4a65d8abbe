package fsfs

import "sync"

// lru is a cache that forgets what was used least recently when the costs of its values exceed
// its budget. It is safe for concurrent use. Values are shared and must not be changed.
type lru[K comparable, V any] struct {
	cost   func(V) int64
	budget int64

	mu    sync.Mutex // guards what follows
	used  int64
	byKey map[K]*lruEntry[K, V]
	// ends is a ring: next is the entry used last, prev the one used least recently.
	ends lruEntry[K, V]
}

type lruEntry[K comparable, V any] struct {
	key        K
	value      V
	cost       int64
	prev, next *lruEntry[K, V]
}

func newLRU[K comparable, V any](budget int64, cost func(V) int64) *lru[K, V] {
	c := &lru[K, V]{cost: cost, budget: budget, byKey: make(map[K]*lruEntry[K, V])}
	c.ends.prev, c.ends.next = &c.ends, &c.ends
	return c
}

func (c *lru[K, V]) get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[key]
	if !ok {
		return value, false
	}
	e.unlink()
	c.link(e)
	return e.value, true
}

// put stores a value. One that exceeds the budget by itself is kept until the next comes.
func (c *lru[K, V]) put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[key]; ok {
		c.remove(e)
	}
	e := &lruEntry[K, V]{key: key, value: value, cost: c.cost(value)}
	c.link(e)
	c.byKey[key] = e
	c.used += e.cost
	for c.used > c.budget && len(c.byKey) > 1 {
		c.remove(c.ends.prev)
	}
}

// dropIf forgets every value whose key satisfies the condition.
func (c *lru[K, V]) dropIf(condition func(K) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.byKey {
		if condition(key) {
			c.remove(e)
		}
	}
}

func (c *lru[K, V]) remove(e *lruEntry[K, V]) {
	e.unlink()
	delete(c.byKey, e.key)
	c.used -= e.cost
}

func (c *lru[K, V]) link(e *lruEntry[K, V]) {
	e.prev, e.next = &c.ends, c.ends.next
	e.prev.next, e.next.prev = e, e
}

func (e *lruEntry[K, V]) unlink() {
	e.prev.next, e.next.prev = e.next, e.prev
}
