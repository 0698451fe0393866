package feed_test

import (
	"context"

	"weft/jetstream/event"
)

// shortLocked is up to where a copy has let messages go that others still have: that of a
// node whose clock is ahead.
func (w *world) shortLocked(end int) int {
	if w.rnd.IntN(6) == 0 {
		return w.rnd.IntN(end + 1)
	}
	return 0
}

// First is answered by the leader.
func (w *world) First(_ context.Context, subject string, from uint64) (m event.Stored, ok bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := max(int(from), 1) - 1; i < len(w.log); i++ {
		if matches(subject, w.log[i].Subject) && !w.goneLocked(i, len(w.log)) {
			return w.log[i], true, w.unansweredLocked()
		}
	}
	return m, false, w.unansweredLocked()
}
