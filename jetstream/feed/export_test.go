package feed

import "time"

// What tests of the face look at beside it, and the one clock that they need not wait for.

var ErrClosed = errClosed

const (
	KeepCount   = keepCount
	MaxShare    = maxShare
	MaxPatterns = maxPatterns
)

// Watermark is the low watermark.
func (h *Hub) Watermark() uint64 { return h.lowWatermark() }

// Tick is the newest tick that came back, Highest the highest sequence that was read.
func (h *Hub) Tick() uint64    { return h.ticks.last.Load() }
func (h *Hub) Highest() uint64 { return h.ticks.high.Load() }

// Feed is the feed of a subject or wildcard, to compare; nil when there is none.
func (h *Hub) Feed(of string) any {
	if f := h.feedOf(of); f != nil {
		return f
	}
	return nil
}

func (h *Hub) feedOf(of string) *feed {
	key, _ := keyOf(of)
	return h.feeds.lookup([]byte(key))
}

// Connections is how many follow a subject.
func (h *Hub) Connections(of string) int {
	f := h.feedOf(of)
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.subs)
}

// Stands is the cursor of a connection that is being handed something, made anew.
func (r *Reader) Stands() string { return r.cursorLocked() }

// Reached is the position of the consumer of a wildcard.
func (h *Hub) Reached(pattern string) uint64 { return h.feedOf(pattern).reached.Load() }

// LingerNoMore ends the time for which a feed without connections stays.
func (h *Hub) LingerNoMore(of string) {
	f := h.feedOf(of)
	h.feeds.mu.Lock()
	defer h.feeds.mu.Unlock()
	f.leaving.Reset(time.Duration(0))
}

// Wildcards is how many there are on the node, of how many owners, and how many of one.
func (h *Hub) Wildcards(owner string) (all, owners, own int) {
	h.feeds.mu.Lock()
	defer h.feeds.mu.Unlock()
	return len(h.feeds.patterns), len(h.feeds.shares), len(h.feeds.shares[owner])
}
