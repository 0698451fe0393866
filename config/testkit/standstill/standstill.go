// Package standstill measures for how long a machine let a test stand still, so that what is
// promised within a second can be held to a second also where others use the machine.
package standstill

import (
	"sync/atomic"
	"testing"
	"time"
)

const (
	// every is how often a Watch wants to run.
	every = 5 * time.Millisecond
	// usual is how late it may be then on a machine that has nothing else to do.
	usual = 20 * time.Millisecond
)

// A Watch runs beside a test. It is safe for concurrent use.
type Watch struct{ lost atomic.Int64 }

// Begin begins to watch, until the test ends.
func Begin(t testing.TB) *Watch {
	w, over, done := &Watch{}, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-over:
				return
			case <-tick.C:
			}
			now := time.Now()
			w.see(now.Sub(last))
			last = now
		}
	}()
	t.Cleanup(func() { close(over); <-done })
	return w
}

// see takes note of how long it was not run.
func (w *Watch) see(gap time.Duration) {
	if late := gap - every; late > usual {
		w.lost.Add(int64(late))
	}
}

// Lost is the time since Begin in which the test was not run though it wanted to; 0 on a
// machine that has nothing else to do.
func (w *Watch) Lost() time.Duration { return time.Duration(w.lost.Load()) }
