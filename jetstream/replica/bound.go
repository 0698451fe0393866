package replica

import (
	"context"
	"sync/atomic"
	"time"
)

// patience is how long a copy is waited for: its locks are held while the disk is written
// to, which may hang.
const patience = 2 * time.Second

// A guard lets nobody wait for a copy that stands still. Its zero value is ready for use.
type guard struct {
	stuck atomic.Int64 // calls that were given up and have not returned
}

// ask returns f's answer, if that comes in time. While another call is stuck nobody is asked.
func ask[T any](ctx context.Context, g *guard, f func() (T, bool)) (answer T, ok bool) {
	if g.stuck.Load() > 0 {
		return answer, false
	}
	type result struct {
		value T
		ok    bool
	}
	answered := make(chan result, 1)
	var settled atomic.Bool // by who is first: the answer, or who gives up
	go func() {
		value, ok := f()
		answered <- result{value, ok}
		if !settled.CompareAndSwap(false, true) {
			g.stuck.Add(-1)
		}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r := <-answered:
		return r.value, r.ok
	case <-ctx.Done():
	case <-timer.C:
	}
	g.stuck.Add(1)
	if !settled.CompareAndSwap(false, true) {
		g.stuck.Add(-1)
	}
	return answer, false
}
