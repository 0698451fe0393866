package auth

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"time"
)

// cacheSize is how many verified tokens are remembered.
const cacheSize = 8192

// cache remembers verified tokens by their SHA-256, the least recently used go
// first. When a node is lost its clients come back with tokens that others, or
// this node, have just checked; an RSA or ECDSA check costs 30 to 100 µs.
type cache struct {
	mu    sync.Mutex
	size  int
	byKey map[[sha256.Size]byte]*list.Element
	order *list.List // of *cached, the most recent in front
}

type cached struct {
	sum        [sha256.Size]byte
	generation uint64
	id         *Identity
}

func newCache(size int) *cache {
	return &cache{size: size, byKey: map[[sha256.Size]byte]*list.Element{}, order: list.New()}
}

// get returns the identity of a token that was verified with the keys of
// generation and has not ended at now, else nil.
func (c *cache) get(sum [sha256.Size]byte, generation uint64, now time.Time) *Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[sum]
	if e == nil {
		return nil
	}
	entry := e.Value.(*cached)
	if entry.generation != generation || !now.Before(entry.id.Expires) {
		c.order.Remove(e)
		delete(c.byKey, sum)
		return nil
	}
	c.order.MoveToFront(e)
	return entry.id
}

func (c *cache) put(sum [sha256.Size]byte, generation uint64, id *Identity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byKey[sum]; e != nil {
		e.Value = &cached{sum, generation, id}
		c.order.MoveToFront(e)
		return
	}
	if c.order.Len() >= c.size {
		last := c.order.Back()
		delete(c.byKey, last.Value.(*cached).sum)
		c.order.Remove(last)
	}
	c.byKey[sum] = c.order.PushFront(&cached{sum, generation, id})
}
