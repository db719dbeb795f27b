package storage

import "sync"

// Cache keeps values of the store in memory, by key, up to a limit of their weights. When there is no room, entries
// go in no order. It knows nothing of the store: whoever reads an entry has to know that it holds in the snapshot at
// hand, as a rule by a mark that the entry carries and the snapshot shows (several processes may write). Safe for
// concurrent use. A value is shared, so it is never changed once it is in.
type Cache[K comparable, V any] struct {
	limit  int
	weight func(V) int

	mu   sync.RWMutex
	size int
	list map[K]V
}

// NewCache makes an empty cache. weight gives what one value takes of the limit, the same at every call; nil = one.
func NewCache[K comparable, V any](limit int, weight func(V) int) *Cache[K, V] {
	if weight == nil {
		weight = func(V) int { return 1 }
	}
	return &Cache[K, V]{limit: limit, weight: weight, list: map[K]V{}}
}

func (c *Cache[K, V]) Get(key K) (V, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.list[key]
	return v, ok
}

// GetAll gives the values of n keys, in their order, as they stand at one moment; the zero V where there is none.
func (c *Cache[K, V]) GetAll(n int, key func(i int) K) []V {
	out := make([]V, n)
	c.mu.RLock()
	defer c.mu.RUnlock()
	for i := range out {
		out[i] = c.list[key(i)]
	}
	return out
}

// Put keeps a value, in the place of an older one. A value heavier than the limit is not kept.
func (c *Cache[K, V]) Put(key K, v V) {
	c.Update(key, func(V, bool) (V, bool) { return v, true })
}

// Update puts what change makes of the entry that is there; false = it keeps what is there. change runs under the
// cache's lock: it must not use the cache.
func (c *Cache[K, V]) Update(key K, change func(old V, ok bool) (V, bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, ok := c.list[key]
	v, keep := change(old, ok)
	if !keep {
		return
	}
	if ok {
		c.drop(key, old)
	}
	weight := c.weight(v)
	if weight > c.limit {
		return
	}
	for other, old := range c.list { // the order of a map is random
		if c.size+weight <= c.limit {
			break
		}
		c.drop(other, old)
	}
	c.list[key] = v
	c.size += weight
}

// DeleteFunc drops every entry that matches. match runs under the cache's lock.
func (c *Cache[K, V]) DeleteFunc(match func(K, V) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, v := range c.list {
		if match(key, v) {
			c.drop(key, v)
		}
	}
	if len(c.list) == 0 {
		c.list = map[K]V{} // a map never gives its room back
	}
}

func (c *Cache[K, V]) Clear() { c.DeleteFunc(func(K, V) bool { return true }) }

func (c *Cache[K, V]) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.list)
}

func (c *Cache[K, V]) drop(key K, v V) {
	delete(c.list, key)
	c.size -= c.weight(v)
}
