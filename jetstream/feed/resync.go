package feed

import (
	"time"

	"weft/jetstream"
	"weft/jetstream/subject"
)

// maxReread is how many messages a node reads again in one go; beyond that each
// feed catches up by itself.
const maxReread = 50_000

// copiesWait bounds how long a re-read waits for copies that are on their way.
const copiesWait = 100 * time.Millisecond

// startReread looks through what was stored since the last safe tick, up to
// now. Later copies come from a leader that has not changed.
func (h *Hub) startReread(st jetstream.State) {
	from := h.safe() + 1
	if h.safe() == 0 {
		from = st.Last + 1 // nobody could follow anything yet
	}
	h.ticks.rereading.Store(true)
	h.metrics.rereads.Inc()
	h.tasks.Go(func() {
		defer h.ticks.rereading.Store(false)
		started := time.Now()
		for h.ticks.high.Load() < st.Last && time.Since(started) < copiesWait && h.ctx.Err() == nil {
			pause(h.ctx, lagPause) // copies that are on their way are not lost
		}
		n, whole := h.reread(from, st.Last)
		if !whole {
			for _, f := range h.all() {
				f.suspect(st.Last)
			}
		}
		h.log.Info("read the stream again", "leader", st.Leader, "from", from, "to", st.Last,
			"messages", n, "each_feed_by_itself", !whole, "took", time.Since(started).Round(time.Millisecond))
	})
}

// reread looks through all messages from one sequence to another for those that
// a feed has not seen. It reports false when there are too many.
func (h *Hub) reread(from, to uint64) (n int, whole bool) {
	for from <= to && h.ctx.Err() == nil {
		var b jetstream.Batch
		if h.insist(h.ctx, func() (err error) {
			b, err = h.node.Read(h.ctx, ">", from, jetstream.MaxBatch, readBytes)
			return err
		}) != nil {
			return n, true
		}
		if uint64(n+len(b.Messages))+b.Pending > maxReread {
			return n, false
		}
		for i := range b.Messages {
			m := &b.Messages[i]
			from = m.Seq + 1
			n++
			if f := h.lookup(subject.Out + m.Subject); f != nil {
				f.missed(m.Seq, m.Stamp())
			}
		}
		if b.Pending > 0 {
			continue
		}
		// The replica that answered may lag behind the leader.
		var next uint64
		if h.insist(h.ctx, func() (err error) {
			next, err = h.node.Next(h.ctx, ">", from)
			return err
		}) != nil || next == 0 || next > to {
			return n, true
		}
		pause(h.ctx, lagPause)
	}
	return n, true
}

// recreated makes all feeds start over: the stream is a new one.
func (h *Hub) recreated(id jetstream.StreamID) {
	h.log.Warn("the stream was made anew; all clients are told", "stream", id)
	h.ticks.floor.Store(0)
	h.ticks.last.Store(0)
	h.ticks.high.Store(0)
	h.ticks.news.Store(0)
	for _, f := range h.all() {
		f.recreated()
	}
	h.stream.Store(&id)
}
