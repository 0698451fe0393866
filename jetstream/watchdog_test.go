package jetstream

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/config/testkit/testlog"
	"weft/jetstream/server"
)

func TestAServerIsRestartedWhenItsStoreIsStuck(t *testing.T) {
	for name, c := range map[string]struct {
		silence, ill, linked time.Duration
		clustered, want      bool
	}{
		"well":                               {silence: 8 * time.Second},
		"stuck":                              {silence: 9 * time.Second, want: true},
		"it may wait for a majority":         {silence: 9 * time.Second, clustered: true},
		"it waits for one":                   {silence: 61 * time.Second, linked: time.Second, clustered: true},
		"stuck although there is a majority": {silence: 61 * time.Second, linked: 61 * time.Second, clustered: true, want: true},
		"its copies have stopped":            {ill: 9 * time.Second, clustered: true, want: true},
	} {
		is := func(d time.Duration) func() time.Duration { return func() time.Duration { return d } }
		w := watchdog{silence: is(c.silence), illFor: is(c.ill), linkedFor: is(c.linked), clustered: c.clustered}
		if why := w.sick(); why != "" != c.want {
			t.Errorf("%s: %q", name, why)
		}
	}
}

func TestAStuckServerIsRestartedOnceInAWhileAndNotOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts atomic.Int32
		var full atomic.Bool
		full.Store(true)
		none := func() time.Duration { return 0 }
		w := watchdog{log: testlog.To(t), restarts: prometheus.NewCounter(prometheus.CounterOpts{}), stop: func() {}, renew: func(context.Context) {},
			silence: func() time.Duration { return time.Minute }, illFor: none, linkedFor: none, diskFull: full.Load,
			start: func(context.Context) error {
				if starts.Add(1) == 1 {
					return errors.New("the port is taken")
				}
				return nil
			}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.run(ctx) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := starts.Load(); n != 0 {
			t.Errorf("%d starts on a full disk", n)
		}
		full.Store(false)
		time.Sleep(restartPause - time.Second)
		synctest.Wait()
		if n := starts.Load(); n != 2 {
			t.Errorf("%d starts, want one that fails and one more", n)
		}
		time.Sleep(restartPause)
		synctest.Wait()
		if n := starts.Load(); n != 3 {
			t.Errorf("%d starts, want another one after the pause", n)
		}
		cancel()
		<-done
	})
}

// Copies that have diverged are dropped while the server is stopped.
func TestAServerForgetsWhatTheOthersDidNotAgreeTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var did []string
		say := func(what string) { did = append(did, what) }
		diverged := make(chan []server.Copy)
		none := func() time.Duration { return 0 }
		w := watchdog{log: testlog.To(t), restarts: prometheus.NewCounter(prometheus.CounterOpts{}), stop: func() { say("stop") }, renew: func(context.Context) {},
			silence: none, illFor: none, linkedFor: none, diskFull: func() bool { return false }, diverged: diverged,
			drop:  func(copies []server.Copy) error { say("drop " + copies[0].Group); return errors.New("no snapshot") },
			start: func(context.Context) error { say("start"); return nil }}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.run(ctx) }()
		diverged <- []server.Copy{{Group: "g"}}
		time.Sleep(restartPause)
		cancel()
		<-done
		if got := strings.Join(did, ", "); got != "stop, drop g, start" {
			t.Errorf("it did %s", got)
		}
	})
}
