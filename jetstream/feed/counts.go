package feed

import (
	"context"

	"weft/jetstream/store"
)

// maxCounted bounds how many subjects counts know: a wildcard with more of
// them that has much to catch up with is reset.
const maxCounted = 50_000

// Counts are how many messages there are of each subject that a wildcard matches after a
// position, by reading each message once however many parts a history has. Its
// zero value is ready for use.
type counts struct {
	bySubject map[string]uint64
	until     uint64 // all up to here was counted
	full      bool   // a subject has reached the limit, or there are too many
}

// extend counts what was stored meanwhile. It reports whether every subject has
// fewer messages after the position than limit.
func (c *counts) extend(ctx context.Context, h *Hub, pattern string, after, limit uint64) (bool, error) {
	if c.bySubject == nil {
		c.bySubject = make(map[string]uint64)
	}
	c.until = max(c.until, after)
	for !c.full {
		b, err := h.store.Read(ctx, pattern, c.until+1, store.MaxBatch, readBytes)
		if err != nil {
			return false, err
		}
		for i := range b.Messages {
			m := &b.Messages[i]
			c.bySubject[m.Subject]++
			c.until = m.Seq
			c.full = c.full || c.bySubject[m.Subject] >= limit || len(c.bySubject) > maxCounted
		}
		if b.Pending == 0 || len(b.Messages) == 0 {
			break
		}
	}
	return !c.full, nil
}

// pass moves the position beyond messages that come next.
func (c *counts) pass(messages []*Message) {
	for _, m := range messages {
		if m.Seq > c.until {
			return
		}
		if n := c.bySubject[m.Subject]; n > 1 {
			c.bySubject[m.Subject] = n - 1
		} else {
			delete(c.bySubject, m.Subject)
		}
	}
}
