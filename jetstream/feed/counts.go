package feed

import (
	"context"

	"weft/jetstream"
)

// maxTallied bounds how many subjects a tally knows: a wildcard with more of
// them that has much to catch up with is reset.
const maxTallied = 50_000

// A tally counts the messages of each subject that a wildcard matches after a
// position, by reading each message once however many parts a history has. Its
// zero value is ready for use.
type tally struct {
	counts map[string]uint64
	until  uint64 // all up to here was counted
	full   bool   // a subject has reached the limit, or there are too many
}

// extend counts what was stored meanwhile. It reports whether every subject has
// fewer messages after the position than limit.
func (t *tally) extend(ctx context.Context, h *Hub, pattern string, after, limit uint64) (bool, error) {
	if t.counts == nil {
		t.counts = make(map[string]uint64)
	}
	t.until = max(t.until, after)
	for !t.full {
		b, err := h.node.Read(ctx, pattern, t.until+1, jetstream.MaxBatch, readBytes)
		if err != nil {
			return false, err
		}
		for i := range b.Messages {
			m := &b.Messages[i]
			t.counts[m.Subject]++
			t.until = m.Seq
			t.full = t.full || t.counts[m.Subject] >= limit || len(t.counts) > maxTallied
		}
		if b.Pending == 0 || len(b.Messages) == 0 {
			break
		}
	}
	return !t.full, nil
}

// pass moves the position beyond messages that come next.
func (t *tally) pass(messages []*Message) {
	for _, m := range messages {
		if m.Seq > t.until {
			return
		}
		if n := t.counts[m.Subject]; n > 1 {
			t.counts[m.Subject] = n - 1
		} else {
			delete(t.counts, m.Subject)
		}
	}
}
