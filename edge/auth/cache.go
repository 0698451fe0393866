package auth

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

// cacheSize is how many verified tokens are remembered.
const cacheSize = 8192

// room is for how many of them there is room from the start.
const room = 1024

// cache remembers verified tokens by their SHA-256, the least recently used go
// first. When a node is lost its clients come back with tokens that others, or
// this node, have just checked; an RSA or ECDSA check costs 30 to 100 µs.
type cache struct {
	mu    sync.Mutex
	size  int
	byKey map[uint64]*cached // by the first bytes of the sum
	order cached             // a ring, the most recent behind it
}

// A cached token is in the ring; its neighbours are newer and older.
type cached struct {
	sum          [sha256.Size]byte
	generation   uint64
	id           *Identity
	newer, older *cached
}

func newCache(size int) *cache {
	c := &cache{size: size, byKey: make(map[uint64]*cached, min(size, room))}
	c.order.newer, c.order.older = &c.order, &c.order
	return c
}

func keyOf(sum [sha256.Size]byte) uint64 { return binary.LittleEndian.Uint64(sum[:]) }

// get returns the identity of a token that was verified with the keys of
// generation and has not ended at now, else nil.
func (c *cache) get(sum [sha256.Size]byte, generation uint64, now time.Time) *Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[keyOf(sum)]
	if e == nil || e.sum != sum {
		return nil
	}
	c.unlink(e)
	if e.generation != generation || !now.Before(e.id.Expires) {
		delete(c.byKey, keyOf(sum))
		return nil
	}
	c.link(e)
	return e.id
}

func (c *cache) put(sum [sha256.Size]byte, generation uint64, id *Identity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, e := keyOf(sum), &cached{sum: sum, generation: generation, id: id}
	if before := c.byKey[key]; before != nil {
		c.unlink(before)
	} else if len(c.byKey) >= c.size {
		last := c.order.newer
		c.unlink(last)
		delete(c.byKey, keyOf(last.sum))
	}
	c.byKey[key] = e
	c.link(e)
}

// link makes e the most recent one.
func (c *cache) link(e *cached) {
	e.newer, e.older = &c.order, c.order.older
	e.newer.older, e.older.newer = e, e
}

func (c *cache) unlink(e *cached) { e.newer.older, e.older.newer = e.older, e.newer }
