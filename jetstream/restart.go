package jetstream

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/api"
	"weft/jetstream/server"
)

const (
	// stuckAfter is how long ticks may go without an acknowledgement before the
	// server is restarted, restartPause the least time between two restarts.
	stuckAfter   = 8 * time.Second
	restartPause = 30 * time.Second
	// In a cluster a store that answers nobody waits for a majority or for an
	// election more often than it is stuck.
	stuckAfterClustered = time.Minute
)

// A watchdog restarts the embedded server when the store is stuck, or has ended, or holds
// what the other nodes did not agree to: after
// its disk was full it does not take messages again by itself. Everything that
// was acknowledged is on disk, or with the other nodes, and is found again;
// connections within the process reconnect.
type watchdog struct {
	log      *slog.Logger
	restarts prometheus.Counter
	stop     func()
	start    func(ctx context.Context) error
	diskFull func() bool
	// silence is for how long the store has acknowledged nothing, illFor for how long
	// copies that were current have not been so, linkedFor for how long there have been
	// links to a majority; 0: it does, they are, there are none.
	silence, illFor, linkedFor func() time.Duration
	// renew tells the other nodes that this one only restarts its server, and makes the
	// copies count as not current until they have caught up. It takes a moment.
	renew     func(ctx context.Context)
	clustered bool
	// diverged gets the copies here that hold what the others did not agree to; drop makes a
	// server that is stopped forget that.
	diverged <-chan []server.Copy
	drop     func(copies []server.Copy) error
}

// run watches until ctx ends.
func (w *watchdog) run(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	var restarted time.Time
	for {
		var why string
		var diverged []server.Copy
		select {
		case <-ctx.Done():
			return
		case diverged = <-w.diverged:
			why = "a local replica holds what the other nodes did not agree to, and takes it back"
		case <-t.C:
			why = w.sick()
		}
		if why == "" || w.diskFull() || time.Since(restarted) < restartPause {
			continue
		}
		w.log.Error("restarting the embedded server", "reason", why)
		w.restart(ctx, diverged)
		restarted = time.Now()
	}
}

// restart tries until the server runs, or ctx ends. Copies that have diverged begin at
// what they had applied.
func (w *watchdog) restart(ctx context.Context, diverged []server.Copy) {
	w.restarts.Inc()
	w.renew(ctx)
	w.stop()
	if len(diverged) > 0 {
		if err := w.drop(diverged); err != nil {
			w.log.Warn("a local replica takes back slowly what the others did not agree to", "err", err)
		}
	}
	logged := false
	_ = api.Start().Do(ctx, func(ctx context.Context) error { // it ends with the node
		err := w.start(ctx)
		if err != nil && !logged {
			logged = true
			w.log.Error("restart embedded server; trying again", "err", err)
		}
		return err
	})
}

// sick says why the server has to be restarted, "" when it has not.
func (w *watchdog) sick() string {
	silence := w.silence()
	switch {
	case w.illFor() > stuckAfter:
		return "this node's copies have stopped"
	case !w.clustered && silence > stuckAfter,
		silence > stuckAfterClustered && w.linkedFor() > stuckAfterClustered:
		return "the store takes no messages"
	}
	return ""
}
