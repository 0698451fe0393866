package feed

import (
	"context"
	"sync"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

const (
	// reach is how far beyond the node's last tick a copy may claim to be. Hardly a
	// stream gets further between two ticks; of what claims more a majority is asked.
	reach = 1 << 20
	// maxClaims bounds how many such copies are judged together.
	maxClaims = 1024
)

// forged counts delivery copies on a subject that the stream did not send, and says so in
// the log now and then: nobody but nodes should be able to send any.
func (h *Hub) forged(subject string, copies int) {
	if copies == 0 {
		return
	}
	h.metrics.forged.Add(float64(copies))
	h.limited.Warn("forged", "delivery copies came that the stream did not send; somebody can publish where only nodes may",
		"copies", copies, "subject", subject)
}

// A claim is a copy from a future that the node does not know of.
type claim struct {
	feed *feed
	seq  uint64
	tick uint64 // the newest one that was read before it
}

// claims are those that the leader has yet to be asked about.
type claims struct {
	hub *Hub

	mu      sync.Mutex
	waiting []claim
	asking  []claim // those that a majority is being asked for
	running bool
}

// add lets a copy wait that claims to be far beyond the last tick. It is not
// handed on itself: when the stream has come that far the feed reads it.
func (c *claims) add(f *feed, seq uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == maxClaims {
		c.hub.ticks.disturb() // a resync finds what is real
		c.hub.forged(f.subject, 1)
		return
	}
	c.waiting = append(c.waiting, claim{f, seq, c.hub.ticks.last.Load()})
	if !c.running {
		c.running = true
		c.hub.tasks.Go(c.judge)
	}
}

// judge asks a majority where the stream ends, for all that wait at once.
func (c *claims) judge() {
	h := c.hub
	for {
		c.mu.Lock()
		all := c.waiting
		c.waiting, c.asking = nil, all
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

// openBefore reports whether a copy that came before a tick has yet to be judged: it may
// be missing below the tick.
func (c *claims) openBefore(tick uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, open := range [][]claim{c.asking, c.waiting} {
		if len(open) > 0 && open[0].tick < tick {
			return true
		}
	}
	return false
}

// end asks a majority for a sequence beyond all that was acknowledged before. It
// fails only when ctx ends or the hub is closed.
func (h *Hub) end(ctx context.Context) (end uint64, err error) {
	err = h.retry(ctx, func() (err error) {
		end, err = h.barrier.fresh(ctx)
		return err
	})
	return end, err
}

// knows reports whether this is the stream that all feeds are of.
func (h *Hub) knows(id event.StreamID) bool {
	known := h.stream.Load()
	return known != nil && *known == id
}
