package feed

import (
	"strconv"
	"time"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

const (
	tickEvery  = 250 * time.Millisecond
	startEvery = 10 * time.Millisecond // until the first one is safe
	stallAfter = time.Second
	// relinkSettle is how long after a link was made a leader that was cut off may
	// go on answering, until it hears of the one that there is meanwhile.
	relinkSettle = 2 * time.Second
	// idleEvery is how often a standalone node asks for the state of the stream
	// while nothing but ticks comes.
	idleEvery = time.Second
	// markEvery is the longest time between two marks.
	markEvery = time.Minute
)

// A view is the state of the stream at one tick, to compare the next with. While nothing
// in it changes, no copies are lost.
type view struct {
	leader string
	since  time.Time
	epoch  uint64
	id     event.StreamID
}

// A watch sends ticks, and decides which of those that come back raise the low watermark.
type watch struct {
	hub                    *Hub
	marked, asked, stalled time.Time
	before                 view
	known                  bool // before is set
	settling               bool // a link is so new that the leader's word may be old
}

// A watchState is where a watch stands.
//
//	starting   the leader has not said yet where the stream stands
//	steady     what the leader says counts
//	settling   a link to another node is so new that what the leader says may be old
//	resyncing  what was stored since the low watermark is being read again
//
// What the leader says at a tick, and what follows (– cannot happen):
//
//	                       starting    steady           settling         resyncing
//	it is asked            → steady    –                –                –
//	another stream         –           all start over   all start over   all start over
//	the view has changed   –           → resyncing      → resyncing      seen again, later
//	nothing new            –           watermark rises  watermark stays  watermark stays
//	a claim is open        –           watermark stays  watermark stays  watermark stays
//
// From resyncing it goes on to steady or settling when all has been read; between those
// two it goes as links are made and grow old. The first watermark of all is set while
// settling, too: nobody could follow anything before.
type watchState int

const (
	starting watchState = iota
	steady
	settling
	resyncing
)

// state is where the watch stands now.
func (w *watch) state() watchState {
	switch {
	case !w.known:
		return starting
	case w.hub.ticks.resyncing.Load():
		return resyncing
	case w.settling && w.hub.lowWatermark() > 0:
		return settling
	}
	return steady
}

// look asks the leader, and does what the table says. A tick that came back before it was
// asked is safe if nothing has changed since the last look by which copies may have been
// lost, nor does while it is asked, and no copy from before it waits for a majority's word.
func (w *watch) look() {
	h := w.hub
	w.asked = time.Now()
	tick, epoch := h.ticks.last.Load(), h.ticks.epoch.Load()
	st, err := h.state.fresh(h.ctx)
	if err != nil {
		return
	}
	now := view{st.Leader, st.LeaderSince, epoch, st.ID}
	switch state := w.state(); {
	case state == starting:
		h.stream.Store(&st.ID)
		h.current.Store(&st.ID)
	case now.id != w.before.id:
		h.recreated(st.ID, st.Last)
	case now != w.before && state == resyncing:
		return // it is looked at again when the other is done
	case now != w.before:
		h.startResync(st)
	case state == steady && tick > h.lowWatermark() && tick <= st.Last && h.ticks.epoch.Load() == epoch && !h.claims.openBefore(tick) &&
		h.ctx.Err() == nil: // after all else, which may have ended early with the node
		h.ticks.low.Store(tick)
		h.metrics.watermark.Set(float64(tick))
	}
	w.before, w.known = now, true
}

// run sends ticks until the hub is closed.
func (w *watch) run() {
	h := w.hub
	timer := time.NewTicker(tickEvery)
	defer timer.Stop()
	for h.ctx.Err() == nil {
		leader := h.store.Leader().Epoch()
		w.send()
		w.settle()
		if !w.idle() {
			w.look()
		}
		w.stall()
		if h.lowWatermark() == 0 {
			api.Sleep(h.ctx, startEvery)
			continue
		}
		select {
		case <-h.ctx.Done():
		case <-leader.Done():
		case <-timer.C:
		}
	}
}

// send sends a tick, now and then one that marks the time.
func (w *watch) send() {
	every := min(markEvery, w.hub.store.Limits().MaxAge/20)
	mark := ""
	if now := time.Now(); now.Sub(w.marked) >= every {
		mark, w.marked = strconv.FormatInt(now.UnixMilli()/every.Milliseconds(), 10), now
	}
	if err := w.hub.store.Tick(mark, w.hub.ticks.payload()); err != nil {
		w.marked = time.Time{} // it was not sent
	}
}

// settle waits until the links between nodes are old enough for the leader's word to count.
func (w *watch) settle() {
	settled := time.Since(w.hub.p.Relinked()) > relinkSettle
	if settled && w.settling {
		w.hub.ticks.disturb() // what feeds were told when they were opened may be old
	}
	w.settling = !settled
}

// idle reports whether the stream need not be asked: on a standalone node there is
// no leader that could have changed, and when the low watermark is beyond all that was
// handed on nobody waits for it to rise.
func (w *watch) idle() bool {
	h := w.hub
	return w.known && !h.p.Clustered && h.ticks.epoch.Load() == w.before.epoch &&
		h.lowWatermark() > h.ticks.news.Load() && time.Since(w.asked) < idleEvery
}

// stall notes that no tick comes back: what came meanwhile may be lost, too.
func (w *watch) stall() {
	h := w.hub
	if now := time.Now(); h.lowWatermark() > 0 && h.ticks.age() > stallAfter && now.Sub(w.stalled) > stallAfter {
		w.stalled = now
		h.ticks.disturb()
	}
}
