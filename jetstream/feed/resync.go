package feed

import (
	"time"

	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/store"
	"weft/jetstream/subject"
)

// maxResync is how many messages a node reads again in one go; beyond that each
// feed catches up by itself.
const maxResync = 50_000

// copiesWait bounds how long a resync waits for copies that are on their way.
const copiesWait = 100 * time.Millisecond

// startResync looks through what was stored since the last safe tick, up to
// now. Later copies come from a leader that has not changed.
func (h *Hub) startResync(st store.State) {
	from := h.lowWatermark() + 1
	if from == 1 && len(h.feeds.all()) == 0 {
		from = st.Last + 1 // nobody follows anything yet
	}
	h.ticks.resyncing.Store(true)
	h.metrics.resyncs.Inc()
	h.tasks.Go(func() {
		defer h.ticks.resyncing.Store(false)
		started := time.Now()
		for h.ticks.high.Load() < st.Last && time.Since(started) < copiesWait && h.ctx.Err() == nil {
			api.Sleep(h.ctx, lagPause) // copies that are on their way are not lost
		}
		n, whole := h.resync(from, st.Last)
		if !whole {
			for _, f := range h.feeds.all() {
				f.resync(st.Last)
			}
		}
		h.log.Info("read the stream again", "leader", st.Leader, "from", from, "to", st.Last,
			"messages", n, "each_feed_by_itself", !whole, "took", time.Since(started).Round(time.Millisecond))
	})
}

// resync looks through all messages from one sequence to another for those that
// a feed has not seen. It reports false when there are too many.
func (h *Hub) resync(from, to uint64) (n int, whole bool) {
	var key []byte
	for from <= to && h.ctx.Err() == nil {
		var b store.Batch
		if h.retry(h.ctx, func() (err error) {
			if b, err = h.store.Read(h.ctx, ">", from, store.MaxBatch, readBytes); err != nil || len(b.Messages) > 0 && b.Messages[0].Seq == from {
				return err
			}
			b, _, err = fill(h.ctx, h, ">", from-1, b)
			return err
		}) != nil {
			return n, true
		}
		if uint64(n+len(b.Messages))+b.Pending > maxResync {
			return n, false
		}
		for i := range b.Messages {
			m := &b.Messages[i]
			from = m.Seq + 1
			n++
			key = append(append(key[:0], subject.Out...), m.Subject...)
			if f := h.feeds.lookup(key); f != nil {
				f.reconcile(m.Seq, m.Stamp())
			}
		}
		if b.Pending > 0 {
			continue
		}
		// The replica that answered may lag behind the leader.
		var next uint64
		if h.retry(h.ctx, func() (err error) {
			next, err = h.store.Next(h.ctx, ">", from)
			return err
		}) != nil || next == 0 || next > to {
			return n, true
		}
		api.Sleep(h.ctx, lagPause)
	}
	return n, true
}

// recreated makes all feeds start over: the stream is a new one.
func (h *Hub) recreated(id event.StreamID, last uint64) {
	h.log.Warn("the stream was made anew; all clients are told", "stream", id)
	h.ticks.low.Store(0)
	h.ticks.last.Store(0)
	h.ticks.high.Store(0)
	h.ticks.news.Store(0)
	h.current.Store(&id)
	for _, f := range h.feeds.all() {
		f.recreated(last)
	}
	h.stream.Store(&id)
}

// streamID is the stream of which cursors are given. The store may know of a newer one
// before the feeds do.
func (h *Hub) streamID() (id event.StreamID) {
	if known := h.current.Load(); known != nil {
		id = *known
	}
	return id
}
