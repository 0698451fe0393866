package jetstream

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/api"
)

const (
	// leadEvery is how often a leader looks at itself.
	leadEvery = 250 * time.Millisecond
	// stuckLead is how long a leader may acknowledge nothing, though a majority is linked,
	// until it lets another node lead. It is longer than an election takes.
	stuckLead = 2500 * time.Millisecond
	// leadPause is the least time between two leads that are given up: where all disks
	// hang, nobody is helped by another leader every moment.
	leadPause = 10 * time.Second
)

// A leadWatch gives the lead of the stream up when what this node stores does not come to an
// end. Its log may go on then, so that the others hear of it and elect nobody else, while
// nothing is acknowledged. (A node that stands still as a whole, or whose log is stuck, is
// not heard, and loses the lead by an election.)
type leadWatch struct {
	log     *slog.Logger
	yielded prometheus.Counter
	// silence is for how long nothing has been acknowledged, linkedFor for how long there
	// have been links to a majority; 0: they are, there are none.
	silence, linkedFor func() time.Duration
	lead               interface {
		Learn()
		Held() bool
		Applied() uint64
		Yield() error
	}
}

// run watches until ctx ends. What may wait for a disk runs beside it, and is not waited
// for at the end: the kernel lets go of it when the disk does.
func (w *leadWatch) run(ctx context.Context) {
	t := time.NewTicker(leadEvery)
	defer t.Stop()
	var led time.Time // since when; zero: it does not lead
	var yielded time.Time
	busy := make(chan struct{}, 1) // holds a token while something may wait
	beside := func(f func()) {
		select {
		case busy <- struct{}{}:
			go func() { defer func() { <-busy }(); f() }()
		default:
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		silence := w.silence()
		switch {
		case !w.lead.Held():
			led = time.Time{}
			if silence > 0 && silence < 4*leadEvery {
				beside(w.lead.Learn)
			}
		case led.IsZero():
			led = time.Now()
		case min(silence, time.Since(led), w.linkedFor()) > stuckLead && time.Since(yielded) > leadPause:
			yielded = time.Now()
			beside(func() { w.yield(ctx, silence) })
		}
	}
}

// yield gives the lead up unless something is stored after all.
func (w *leadWatch) yield(ctx context.Context, silence time.Duration) {
	before := w.lead.Applied()
	if !api.Sleep(ctx, leadEvery) || w.lead.Applied() != before || w.silence() < silence {
		return
	}
	w.log.Error("this node leads the stream and stores nothing; it lets another node lead", "silent_for", silence.Round(time.Millisecond))
	w.yielded.Inc()
	if err := w.lead.Yield(); err != nil {
		w.log.Warn("let another node lead", "err", err)
	}
}
