package check

import "time"

// maxCached is how many answers are remembered, about 70 bytes each.
const maxCached = 1 << 16

// A cache remembers answers. What was not looked for while half of its room was filled
// anew is forgotten, so its memory is bounded and what is in use stays.
type cache struct {
	half          int
	fresh, before map[key]answer
}

// An answer counts until a time.
type answer struct {
	until   int64 // Unix nanoseconds
	allowed bool
}

func newCache(size int) *cache { return &cache{half: max(size/2, 1), fresh: map[key]answer{}} }

func (c *cache) get(k key, now time.Time) (allowed, ok bool) {
	a, ok := c.fresh[k]
	if !ok {
		if a, ok = c.before[k]; ok && now.UnixNano() < a.until {
			delete(c.before, k)
			c.enter(k, a)
		}
	}
	if !ok || now.UnixNano() >= a.until {
		return false, false
	}
	return a.allowed, true
}

func (c *cache) put(k key, allowed bool, until time.Time) {
	delete(c.before, k)
	c.enter(k, answer{until.UnixNano(), allowed})
}

func (c *cache) enter(k key, a answer) {
	if len(c.fresh) >= c.half {
		c.before, c.fresh = c.fresh, make(map[key]answer)
	}
	c.fresh[k] = a
}

func (c *cache) len() int { return len(c.fresh) + len(c.before) }
