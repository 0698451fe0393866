package feed

import (
	"context"
	"sync"
	"time"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

const (
	// reach is how far beyond the node's last tick a copy may claim to be. Hardly a
	// stream gets further between two ticks; of what claims more a majority is asked.
	reach = 1 << 20
	// maxClaims bounds how many such copies are judged together.
	maxClaims = 1024
	// forgedEvery is the least time between two log lines about forged copies.
	forgedEvery = time.Minute
)

// forgeries counts delivery copies that the stream did not send, and says so in the
// log now and then: nobody but nodes should be able to send any.
type forgeries struct {
	mu     sync.Mutex
	logged time.Time
	since  int // then
}

// forged notes n of them on a subject.
func (h *Hub) forged(subject string, n int) {
	if n == 0 {
		return
	}
	h.metrics.forged.Add(float64(n))
	l := &h.forgeries
	l.mu.Lock()
	l.since += n
	count, tell := l.since, l.logged.IsZero() || time.Since(l.logged) >= forgedEvery
	if tell {
		l.logged, l.since = time.Now(), 0
	}
	l.mu.Unlock()
	if tell {
		h.log.Warn("delivery copies came that the stream did not send; somebody can publish where only nodes may",
			"copies", count, "subject", subject)
	}
}

// A claim is a copy from a future that the node does not know of.
type claim struct {
	feed *feed
	seq  uint64
}

// claims are those that the leader has yet to be asked about.
type claims struct {
	mu      sync.Mutex
	waiting []claim
	running bool
}

// claimed lets a copy wait that claims to be far beyond the last tick. It is not
// handed on itself: when the stream has come that far the feed reads it.
func (h *Hub) claimed(f *feed, seq uint64) {
	c := &h.claims
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == maxClaims {
		h.ticks.disturb() // a resync finds what is real
		h.forged(f.subject, 1)
		return
	}
	c.waiting = append(c.waiting, claim{f, seq})
	if !c.running {
		c.running = true
		h.tasks.Go(h.judgeClaims)
	}
}

// judgeClaims asks a majority where the stream ends, for all that wait at once.
func (h *Hub) judgeClaims() {
	c := &h.claims
	for {
		c.mu.Lock()
		all := c.waiting
		c.waiting = nil
		if len(all) == 0 || h.ctx.Err() != nil {
			c.running = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		end, err := h.end(h.ctx)
		if err != nil {
			continue // the hub is closed
		}
		for _, claim := range all {
			if claim.seq > end {
				h.forged(claim.feed.subject, 1)
			} else {
				claim.feed.resync(claim.seq)
			}
		}
		api.Sleep(h.ctx, lagPause)
	}
}

// end asks a majority for a sequence beyond all that was acknowledged before. It
// fails only when ctx ends or the hub is closed.
func (h *Hub) end(ctx context.Context) (end uint64, err error) {
	err = h.retry(ctx, func() (err error) {
		end, err = h.position.fresh(ctx)
		return err
	})
	return end, err
}

// knows reports whether this is the stream that all feeds are of.
func (h *Hub) knows(id event.StreamID) bool {
	known := h.stream.Load()
	return known != nil && *known == id
}
