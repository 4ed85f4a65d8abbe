package fsfs

import (
	"container/list"
	"sync"
)

// lru is a cache that forgets what was used least recently when the costs of its values exceed
// its budget. It is safe for concurrent use. Values are shared and must not be changed.
type lru[K comparable, V any] struct {
	cost   func(V) int64
	budget int64

	mu    sync.Mutex // guards what follows
	used  int64
	order list.List // of *lruEntry[K, V], the latest in front
	byKey map[K]*list.Element
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
	cost  int64
}

func newLRU[K comparable, V any](budget int64, cost func(V) int64) *lru[K, V] {
	return &lru[K, V]{cost: cost, budget: budget, byKey: make(map[K]*list.Element)}
}

func (c *lru[K, V]) get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[key]
	if !ok {
		var none V
		return none, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*lruEntry[K, V]).value, true
}

// put stores a value. One that exceeds the budget by itself is kept until the next comes.
func (c *lru[K, V]) put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[key]; ok {
		c.remove(e)
	}
	entry := &lruEntry[K, V]{key, value, c.cost(value)}
	c.byKey[key] = c.order.PushFront(entry)
	c.used += entry.cost
	for c.used > c.budget && c.order.Len() > 1 {
		c.remove(c.order.Back())
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

func (c *lru[K, V]) remove(e *list.Element) {
	entry := c.order.Remove(e).(*lruEntry[K, V])
	delete(c.byKey, entry.key)
	c.used -= entry.cost
}
