package jetstream

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/config/testkit/testlog"
)

// A heldLead is one that is held until it is given up.
type heldLead struct {
	held    atomic.Bool
	applied atomic.Uint64
	moves   bool // it stores something whenever it is looked at
	yields  atomic.Int32
}

func (l *heldLead) Learn()     {}
func (l *heldLead) Held() bool { return l.held.Load() }
func (l *heldLead) Applied() uint64 {
	if l.moves {
		l.applied.Add(1)
	}
	return l.applied.Load()
}
func (l *heldLead) Yield() error { l.yields.Add(1); l.held.Store(false); return nil }

// Only a leader that acknowledges nothing, stores nothing, and could, lets another lead.
func TestALeaderThatStoresNothingLetsAnotherLead(t *testing.T) {
	for _, c := range []struct {
		name            string
		led, moves      bool
		silence, linked time.Duration
		want            int32
	}{
		{"stuck", true, false, 3 * time.Second, time.Minute, 1},
		{"it does not lead", false, false, time.Hour, time.Minute, 0},
		{"it acknowledges", true, false, time.Second, time.Minute, 0},
		{"it stores, slowly", true, true, time.Hour, time.Minute, 0},
		{"no majority is linked", true, false, time.Hour, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &heldLead{moves: c.moves}
				l.held.Store(c.led)
				ctx, cancel := context.WithCancel(t.Context())
				w := &leadWatch{log: testlog.To(t), yielded: prometheus.NewCounter(prometheus.CounterOpts{Name: "x"}), lead: l,
					silence: func() time.Duration { return c.silence }, linkedFor: func() time.Duration { return c.linked }}
				go w.run(ctx)
				time.Sleep(stuckLead - leadEvery)
				if n := l.yields.Load(); n > 0 {
					t.Errorf("it has just begun to lead and gives up")
				}
				time.Sleep(time.Minute)
				cancel()
				synctest.Wait()
				if n := l.yields.Load(); n != c.want {
					t.Errorf("given up %d times, not %d", n, c.want)
				}
			})
		})
	}
}
