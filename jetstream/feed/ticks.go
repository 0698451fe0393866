package feed

import (
	"strconv"
	"sync/atomic"
	"time"

	"weft/jetstream"
)

const (
	tickEvery  = 250 * time.Millisecond
	startEvery = 10 * time.Millisecond // until the first one is safe
	stateTry   = 2 * time.Second
	stallAfter = time.Second
	// relinkSettle is how long after a link was made a leader that was cut off may
	// go on answering, until it hears of the one that there is meanwhile.
	relinkSettle = 2 * time.Second
	// markEvery is the longest time between two marks.
	markEvery = time.Minute
)

// ticks is what a node knows of how far it has read.
type ticks struct {
	made      time.Time     // the wall clock may jump; the time since then does not
	floor     atomic.Uint64 // the last safe tick
	last      atomic.Uint64 // the newest tick read
	high      atomic.Uint64 // the highest sequence read
	when      atomic.Int64  // of the newest tick, nanoseconds since made; 0: none
	epoch     atomic.Uint64 // counts what may have lost copies
	rereading atomic.Bool
}

func (t *ticks) disturb() { t.epoch.Add(1) }

func (t *ticks) seen(seq uint64) {
	t.last.Store(seq)
	t.when.Store(int64(time.Since(t.made)) + 1)
}

// passed is called by the one reader only.
func (t *ticks) passed(seq uint64) {
	if seq > t.high.Load() {
		t.high.Store(seq)
	}
}

func (t *ticks) age() time.Duration {
	w := t.when.Load()
	if w == 0 {
		return time.Duration(1<<63 - 1)
	}
	return time.Since(t.made) - time.Duration(w)
}

// safe is the sequence up to which everything has been handed on.
func (h *Hub) safe() uint64 { return h.ticks.floor.Load() }

// view is the state of the stream at one tick, to compare the next with.
type view struct {
	leader string
	since  time.Time
	epoch  uint64
	id     jetstream.StreamID
}

// tick sends ticks and decides which are safe.
func (h *Hub) tick() {
	timer := time.NewTicker(tickEvery)
	defer timer.Stop()
	every := min(markEvery, h.node.Limits().MaxAge/20)
	var marked, stalled time.Time
	var before view
	known, settling := false, false
	for {
		term := h.node.Term()
		mark := ""
		if now := time.Now(); now.Sub(marked) >= every {
			mark, marked = strconv.FormatInt(now.UnixMilli()/every.Milliseconds(), 10), now
		}
		if err := h.node.Tick(mark); err != nil {
			marked = time.Time{} // it was not sent
		}
		settled := time.Since(h.node.Relinked()) > relinkSettle
		if settled && settling {
			h.ticks.disturb() // what feeds were told when they were opened may be old
		}
		settling = !settled
		tick, epoch := h.ticks.last.Load(), h.ticks.epoch.Load()
		st, err := h.state.fresh(h.ctx)
		if h.ctx.Err() != nil {
			return
		}
		if err == nil {
			now := view{st.Leader, st.LeaderSince, epoch, st.ID}
			rereading := h.ticks.rereading.Load()
			switch {
			case !known:
			case now.id != before.id:
				h.recreated(st.ID)
			case now != before && rereading:
				now = before // it is looked at again when the other is done
			case now != before:
				h.startReread(st)
			case settling && h.safe() > 0: // it stays where the next re-read begins
			case tick > h.safe() && tick <= st.Last && !rereading && h.ticks.epoch.Load() == epoch:
				h.ticks.floor.Store(tick)
				h.metrics.floor.Set(float64(tick))
			}
			before, known = now, true
		}
		if now := time.Now(); h.safe() > 0 && h.ticks.age() > stallAfter && now.Sub(stalled) > stallAfter {
			stalled = now
			h.ticks.disturb() // what came meanwhile may be lost, too
		}
		if h.safe() == 0 {
			pause(h.ctx, startEvery)
			continue
		}
		select {
		case <-h.ctx.Done():
			return
		case <-term.Done():
		case <-timer.C:
		}
	}
}
