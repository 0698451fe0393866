package feed

import (
	"slices"
	"sync"
	"time"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

const (
	// maxOpening bounds how many feeds are opened together.
	maxOpening = 128
	// gather is the rest after some were opened, in which more can gather. The
	// first one after a while does not wait.
	gather = time.Millisecond
)

// openings are the feeds that are to be brought to life. What gathers while some
// are being opened is opened together: the server is asked once whether it knows
// the subscriptions, and the store once where it stands.
type openings struct {
	hub *Hub

	mu      sync.Mutex
	waiting []*opening
	running bool
}

// An opening is some feeds that are opened together.
type opening struct {
	feeds []*feed
	done  chan struct{} // closed when they are live for the first time
}

// open begins to open a feed. It does not block.
func (o *openings) open(f *feed) {
	if f.wild {
		f.opened = make(chan struct{})
		f.work((&consumer{f: f}).run)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(o.waiting)
	if n == 0 || len(o.waiting[n-1].feeds) == maxOpening {
		o.waiting = append(o.waiting, &opening{done: make(chan struct{})})
		n++
	}
	last := o.waiting[n-1]
	last.feeds, f.opened = append(last.feeds, f), last.done
	if !o.running {
		o.running = true
		o.hub.tasks.Go(o.run)
	}
}

// run opens feeds until none waits.
func (o *openings) run() {
	for {
		o.mu.Lock()
		if len(o.waiting) == 0 {
			o.waiting, o.running = nil, false
			o.mu.Unlock()
			return
		}
		next := o.waiting[0]
		o.waiting = slices.Delete(o.waiting, 0, 1)
		o.mu.Unlock()
		next.run(o.hub)
		api.Sleep(o.hub.ctx, gather)
	}
}

// run subscribes and finds out where the stream stands: what is stored by
// then is past for these feeds, all else comes as a delivery copy. Where the
// subjects themselves stand only counts for who comes back (see subscription.aim). It
// goes on trying until it succeeds or the hub is closed; feeds that are dropped
// meanwhile are left out.
func (o *opening) run(h *Hub) {
	var low, head uint64
	var stream event.StreamID
	err := h.retry(h.ctx, func() (err error) {
		o.feeds = slices.DeleteFunc(o.feeds, (*feed).dropped)
		for _, f := range o.feeds {
			f.subscribe()
		}
		if err := h.flush(h.ctx); err != nil {
			return err
		}
		stream, low = h.streamID(), h.lowWatermark()
		head, err = h.store.Head(h.ctx, ">")
		return err
	})
	if err != nil {
		return // the connection takes its subscriptions with it
	}
	for _, f := range o.feeds {
		f.begin(stream, max(head, low))
	}
	close(o.done)
}

func (f *feed) dropped() bool { return f.lifetime.over() }

// subscribe makes the delivery copies come, unless they do or the feed was
// dropped.
func (f *feed) subscribe() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sub == 0 && !f.dropped() {
		f.sub = f.hub.copies.Subscribe(f.key)
	}
}

// begin makes the feed live for the first time, on the stream that the cursor is of.
func (f *feed) begin(stream event.StreamID, cursor uint64) {
	f.mu.Lock()
	if f.hub.streamID() != stream { // it was made anew meanwhile
		cursor, f.waiting = 0, &backlog{lost: true}
	}
	f.cursor = cursor
	f.unconfirmed.reset(cursor)
	f.mu.Unlock()
	f.settle()
}
