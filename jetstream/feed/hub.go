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

	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/ratelog"
	"weft/jetstream/store"
	"weft/jetstream/subject"
)

const (
	// readyWithin is how fresh a node's ticks must be.
	readyWithin = 20 * time.Second
)

var errClosed = errors.New("the node is closing")

// Hub holds the feeds of a node. Its methods may be called concurrently after
// Open.
type Hub struct {
	p       Params
	store   Store
	log     *slog.Logger
	metrics *metrics

	copies  Copies // nil until Open
	tickOut string // subject of this node's ticks

	feeds    *directory
	openings *openings
	claims   *claims
	limited  *ratelog.Log

	// Both are the same but while the feeds start over on a stream that was made anew.
	current     atomic.Pointer[event.StreamID] // of which cursors are given from now on
	stream      atomic.Pointer[event.StreamID] // of which all feeds are
	ticks       ticks
	state       query[store.State]
	barrier     query[uint64]
	watermarkID atomic.Pointer[watermarkID]
	catchingUp  atomic.Int64 // feeds that have a worker: while there are none, all are live that have been

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	once   sync.Once
}

// New makes a hub; Open needs the node to be open.
func New(p Params, log *slog.Logger, reg prometheus.Registerer) *Hub {
	h := &Hub{p: p, store: p.Store, log: log, metrics: newMetrics(reg), limited: ratelog.New(log, time.Now),
		tickOut: subject.Out + "tick." + p.Token}
	h.feeds, h.openings, h.claims = newDirectory(h), &openings{hub: h}, &claims{hub: h}
	h.state.ask, h.barrier.ask = h.store.State, h.store.Barrier
	h.ticks.made = time.Now()
	h.ctx, h.cancel = context.WithCancel(context.Background())
	p.Presence.Handle(h.feeds.follows)
	return h
}

// Open connects, subscribes to the node's ticks and waits for the first safe
// one: before that no cursor could be given to a client.
func (h *Hub) Open(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	h.copies, err = h.p.OpenCopies(h.take, func(why string) {
		h.ticks.disturb()
		h.metrics.breaks.Inc()
		h.log.Debug("live connection disturbed", "why", why)
	})
	if err != nil {
		return err
	}
	h.copies.Subscribe(h.tickOut)
	h.copies.Subscribe(h.tickOut + ".*")
	if err := h.flush(ctx); err != nil {
		return fmt.Errorf("subscribe to ticks: %w", err)
	}
	h.tasks.Go((&watch{hub: h}).run)
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
		h.feeds.close()
		h.cancel()
		if h.copies != nil {
			h.copies.Close()
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
	f := h.feeds.lookup(c.Subject)
	switch {
	case f == nil:
		if strings.HasPrefix(string(c.Subject), h.tickOut) && h.ticks.own(c.Data) {
			h.ticked(c.Seq)
		}
	case c.Seq > h.ticks.last.Load()+reach:
		h.claims.add(f, c.Seq)
	default:
		h.ticks.passed(c.Seq)
		h.ticks.news.Store(c.Seq)
		f.copy(messageOf(c, f.subject, h.streamID()))
	}
}

// ticked is called by the reader for each tick of this node. Copies come in the
// order of the stream: what claimed to be later, and came before, did not come from
// the leader that the tick came from.
func (h *Hub) ticked(seq uint64) {
	if h.ticks.high.Load() > seq {
		for _, f := range h.feeds.all() {
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
	return h.copies.Flush(ctx)
}

// watermarkIDOf returns the cursor that stands for a low watermark; many connections ask
// for the same one.
func (h *Hub) watermarkIDOf(stream event.StreamID, low uint64) string {
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

// Holds reports whether all the subjects are followed on this node, so that one
// more connection asks next to nothing of the store.
func (h *Hub) Holds(subjects []string) bool { return h.feeds.hold(subjects) }

// retry calls f until it succeeds. It fails only when ctx ends first, with its
// cause, or when the hub is closed.
func (h *Hub) retry(ctx context.Context, f func() error) error {
	again := func(error) bool {
		h.metrics.retries.Inc()
		return h.ctx.Err() == nil
	}
	err := api.Retry{Pause: lagPause, MaxPause: time.Second, Again: again}.Do(ctx, func(context.Context) error {
		if ctx.Err() != nil || h.ctx.Err() != nil {
			return errClosed
		}
		return f()
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return errClosed
}
