// Package feed brings stored events to the connections of a node: live while
// they come, from the store when a client comes back, always in order and each
// once per connection.
//
// A feed is one subject on one node. It holds a subscription for the delivery
// copies of the subject, knows the sequence up to which it has handed on
// everything, and notices a gap by the sequence that each copy names as its
// predecessor; what is missing is read from the store before anything newer is
// handed on. A feed exists while connections follow it and a little longer.
//
// Delivery copies may be lost when the stream's leader changes or a connection
// breaks. So the node sends ticks through the stream: a tick that came back
// while nothing changed is safe, that is, everything below it was handed on.
// After a change all that came since the last safe tick is read again.
//
// A Reader is one connection's set of subjects with its cursor. Where history
// that it needs is gone it is told by a reset; it is never left waiting for
// what cannot come.
package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream"
	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/natsconn"
	"weft/jetstream/subject"
)

const (
	// linger is how long a feed stays after its last connection has left, so
	// that a page reload costs nothing.
	linger = 5 * time.Second
	// readyWithin is how fresh a node's ticks must be.
	readyWithin = 20 * time.Second
)

var errClosed = errors.New("the node is closing")

// Hub holds the feeds of a node. Its methods may be called concurrently after
// Open.
type Hub struct {
	node    *jetstream.Node
	log     *slog.Logger
	metrics *metrics

	live    *natsconn.Live
	tickOut string // subject of this node's ticks

	mu       sync.RWMutex
	feeds    map[string]*feed   // by the subject of the delivery copies, or the wildcard
	patterns map[*feed]struct{} // those of wildcards
	shares   shares
	closed   bool

	openings    openings
	claims      claims
	forgeries   forgeries
	stream      atomic.Pointer[event.StreamID] // of which all feeds are
	ticks       ticks
	state       query[jetstream.State]
	position    query[uint64]
	watermarkID atomic.Pointer[watermarkID]

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	once   sync.Once
}

// room is for how many feeds there is room from the start.
const room = 1024

// New makes a hub on an opened node.
func New(node *jetstream.Node, log *slog.Logger, reg prometheus.Registerer) *Hub {
	h := &Hub{node: node, log: log, metrics: newMetrics(reg), feeds: make(map[string]*feed, room),
		patterns: make(map[*feed]struct{}), shares: make(shares),
		tickOut: subject.Out + "tick." + node.Token()}
	h.state.ask, h.position.ask = node.State, node.Position
	h.ticks.made = time.Now()
	h.ctx, h.cancel = context.WithCancel(context.Background())
	node.Presence().Handle(h.follows)
	return h
}

// follows reports whether connections of this node follow a subject by its
// name, or did until a moment ago. It does not depend on the live connection.
func (h *Hub) follows(s string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	f := h.feeds[subject.Out+s]
	return f != nil && !h.closed
}

// Open connects, subscribes to the node's ticks and waits for the first safe
// one: before that no cursor could be given to a client.
func (h *Hub) Open(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	h.live, err = h.node.OpenLive(h.take, func(why string) {
		h.ticks.disturb()
		h.metrics.breaks.Inc()
		h.log.Debug("live connection disturbed", "why", why)
	})
	if err != nil {
		return err
	}
	h.live.Subscribe(h.tickOut)
	h.live.Subscribe(h.tickOut + ".*")
	if err := h.flush(ctx); err != nil {
		return fmt.Errorf("subscribe to ticks: %w", err)
	}
	h.tasks.Go(h.tick)
	for h.lowWatermark() == 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the first tick: %w", context.Cause(ctx))
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// Run blocks until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Close ends all feeds. Readers get nothing more. It may be called again.
func (h *Hub) Close() error {
	h.once.Do(func() {
		h.mu.Lock()
		h.closed = true
		h.mu.Unlock()
		h.cancel()
		if h.live != nil {
			h.live.Close()
		}
		h.tasks.Wait()
	})
	return nil
}

// Ready is nil while ticks come back; else it says what is wrong.
func (h *Hub) Ready() error {
	if age := h.ticks.age(); age > readyWithin {
		return fmt.Errorf("the stream has not answered for %v", age.Round(time.Second))
	}
	if h.lowWatermark() == 0 {
		return errors.New("no tick has come back yet")
	}
	return nil
}

// take gives a copy to its feed. It is called by the one reader of all copies, and
// only looks up the feed and appends.
func (h *Hub) take(c *event.Copy) {
	if c.Err != nil {
		h.forged(string(c.Subject), 1)
		return
	}
	f := h.lookupBytes(c.Subject)
	switch {
	case f == nil:
		if strings.HasPrefix(string(c.Subject), h.tickOut) && h.ticks.own(c.Data) {
			h.ticked(c.Seq)
		}
	case c.Seq > h.ticks.last.Load()+reach:
		h.claimed(f, c.Seq)
	default:
		h.ticks.passed(c.Seq)
		h.ticks.news.Store(c.Seq)
		f.copy(messageOf(c, f.subject, h.node.StreamID()))
	}
}

// ticked is called by the reader for each tick of this node. Copies come in the
// order of the stream: what claimed to be later, and came before, did not come from
// the leader that the tick came from.
func (h *Hub) ticked(seq uint64) {
	if h.ticks.high.Load() > seq {
		for _, f := range h.all() {
			f.outOfOrder(seq)
		}
	}
	h.ticks.high.Store(seq)
	h.ticks.seen(seq)
}

// flush returns when the server knows all subscriptions made before.
func (h *Hub) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stateTry)
	defer cancel()
	return h.live.Flush(ctx)
}

// watermarkIDOf returns the cursor that stands for a low watermark; many connections ask
// for the same one.
func (h *Hub) watermarkIDOf(low uint64) string {
	stream := h.node.StreamID()
	if f := h.watermarkID.Load(); f != nil && f.low == low && f.stream == stream {
		return f.id
	}
	f := &watermarkID{stream, low, event.Cursor{Stream: stream, Floor: low}.String()}
	h.watermarkID.Store(f)
	return f.id
}

type watermarkID struct {
	stream event.StreamID
	low    uint64
	id     string
}

func (h *Hub) lookupBytes(key []byte) *feed {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.feeds[string(key)]
}

func (h *Hub) lookup(key string) *feed {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.feeds[key]
}

// Holds reports whether all the subjects are followed on this node, so that one
// more connection asks next to nothing of the store.
func (h *Hub) Holds(subjects []string) bool {
	for _, s := range subjects {
		key := subject.Out + s
		if subject.IsPattern(s) {
			key = s
		}
		f := h.lookup(key)
		if f == nil {
			return false
		}
		select {
		case <-f.opened:
		default:
			return false
		}
	}
	return true
}

// all returns the feeds as they are now.
func (h *Hub) all() []*feed {
	h.mu.RLock()
	defer h.mu.RUnlock()
	list := make([]*feed, 0, len(h.feeds))
	for _, f := range h.feeds {
		list = append(list, f)
	}
	return list
}

// acquire returns the feed of a subject, opened, for a connection of owner. release
// must be called.
func (h *Hub) acquire(ctx context.Context, s, owner string) (*feed, error) {
	f, err := h.enter(s, owner)
	if err != nil {
		return nil, err
	}
	select {
	case <-f.opened:
		return f, nil
	case <-ctx.Done():
		h.release(f, owner)
		return nil, ctx.Err()
	case <-h.ctx.Done():
		return nil, errClosed
	}
}

// enter counts a connection in at the feed of a subject, which is made if there is
// none.
func (h *Hub) enter(s, owner string) (*feed, error) {
	key, wild := subject.Out+s, subject.IsPattern(s)
	if wild {
		key = s
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errClosed
	}
	f := h.feeds[key]
	if wild {
		if err := h.shares.room(owner, f); err != nil {
			return nil, err
		}
	}
	if f == nil {
		if wild && len(h.patterns) >= maxPatterns && !h.evictLocked() {
			return nil, ErrPatterns
		}
		f = newFeed(h, s, key, wild)
		h.feeds[key] = f
		if wild {
			h.patterns[f] = struct{}{}
		}
		h.metrics.feeds.Inc()
		h.open(f)
	}
	if wild {
		h.shares.take(owner, f)
	}
	f.users++
	if f.leaving != nil {
		f.leaving.Stop()
		f.leaving = nil
	}
	return f, nil
}

// release lets go of a feed for a connection of owner; some time after the last one
// has it ends.
func (h *Hub) release(f *feed, owner string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f.wild {
		h.shares.give(owner, f)
	}
	if f.users--; f.users > 0 || h.closed {
		return
	}
	f.leaving = time.AfterFunc(linger, func() { h.drop(f) })
}

func (h *Hub) drop(f *feed) {
	h.mu.Lock()
	if f.users > 0 || h.feeds[f.key] != f {
		h.mu.Unlock()
		return
	}
	h.forgetLocked(f)
	h.mu.Unlock()
	f.end()
}

// forgetLocked takes a feed that nobody follows out of the hub; it must be ended.
func (h *Hub) forgetLocked(f *feed) {
	delete(h.feeds, f.key)
	delete(h.patterns, f)
	h.metrics.feeds.Dec()
}

// retry calls f until it succeeds. It fails only when ctx ends first, with its
// cause, or when the hub is closed.
func (h *Hub) retry(ctx context.Context, f func() error) error {
	for wait := lagPause; ctx.Err() == nil; wait = min(2*wait, time.Second) {
		if h.ctx.Err() != nil {
			return errClosed
		}
		err := f()
		if err == nil {
			return nil
		}
		h.metrics.retries.Inc()
		api.Sleep(ctx, wait)
	}
	return context.Cause(ctx)
}
