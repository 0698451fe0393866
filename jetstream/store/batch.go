package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

// publishWindow is how many events of one PublishAll are in flight at most: what
// can overtake an event that must be sent again, and what one publisher takes of
// the stream's queue of 10,000.
const publishWindow = 256

// errUnsent means that an event surely was not stored.
var errUnsent = fmt.Errorf("%w: not sent", api.ErrUnavailable)

// A batch is the events of one PublishAll.
type batch struct {
	*Publisher
	events []event.Event
	acks   []Ack
	errs   []error
	began  []time.Time // when each was sent first
}

// PublishAll stores several events in their order, 256 of them in flight. acks[i]
// and errs[i], which is as of Publish, belong to events[i]. When the store does
// not take one, no more is sent until that one, if it can be sent again, is taken:
// only what was in flight just then may come before it. An event that is refused
// for good holds nothing up.
func (p *Publisher) PublishAll(ctx context.Context, events []event.Event) (acks []Ack, errs []error) {
	b := batch{Publisher: p, events: events, acks: make([]Ack, len(events)), errs: make([]error, len(events)), began: make([]time.Time, len(events))}
	if len(events) == 1 {
		b.acks[0], b.errs[0] = p.Publish(ctx, events[0])
		return b.acks, b.errs
	}
	if err := p.params.Opened(); err != nil {
		for i := range b.errs {
			b.errs[i] = err
		}
		return b.acks, b.errs
	}
	todo := make([]int, 0, len(events))
	for i := range events {
		if b.errs[i] = events[i].Check(); b.errs[i] == nil {
			todo = append(todo, i)
		}
	}
	b.publish(ctx, todo)
	return b.acks, b.errs
}

// publish sends the events of todo, again and again as far as that is safe.
func (b *batch) publish(ctx context.Context, todo []int) {
	ctx, cancel := context.WithTimeout(ctx, api.WriteWait)
	defer cancel()
	for window := publishWindow; ; window = 1 {
		b.round(ctx, todo, window)
		again := todo[:0]
		for _, i := range todo {
			err := b.errs[i]
			if errors.Is(err, errUnsent) || errors.Is(err, nats.ErrNoResponders) || !b.events[i].ID.IsZero() && errors.Is(err, api.ErrUnavailable) {
				again = append(again, i)
			}
		}
		if todo = again; len(todo) == 0 || b.params.CutOff() {
			return
		}
		if !api.Sleep(ctx, api.WritePause) {
			return
		}
	}
}

// round sends the events of todo once, until the first that is not taken, and
// gathers the answers. It begins with a window of its own, until one is stored.
func (b *batch) round(ctx context.Context, todo []int, window int) {
	full := b.params.DiskFull()
	for _, i := range todo {
		if b.errs[i] = errUnsent; full {
			b.errs[i] = api.ErrDiskFull
		}
	}
	if full {
		return
	}
	led := b.stream.leader.Epoch().Done()
	reply, answers, done := b.params.Client.Mux.Expect(len(todo))
	defer done()
	timer := time.NewTimer(api.WriteTry)
	defer timer.Stop()
	flying := make(map[int]bool, min(len(todo), publishWindow))
	for {
		for len(todo) > 0 && len(flying) < window {
			i := todo[0]
			if err := b.send(i, reply); err != nil {
				b.errs[i], todo = err, nil
				break
			}
			flying[i], todo = true, todo[1:]
		}
		if len(flying) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-led: // what can be sent again is, to who leads now
			led, todo = nil, nil
			for i := range flying {
				if !b.events[i].ID.IsZero() {
					delete(flying, i)
				}
			}
		case m := <-answers:
			i, err := strconv.Atoi(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:])
			if err != nil || !flying[i] {
				continue
			}
			delete(flying, i)
			timer.Reset(api.WriteTry)
			if b.answered(i, m); errors.Is(b.errs[i], api.ErrUnavailable) {
				todo = nil
			} else {
				window = publishWindow
			}
		}
	}
}

// send sends one event; the answer to it says which one.
func (b *batch) send(i int, reply string) error {
	m := b.message(&b.events[i])
	m.Reply = reply + "." + strconv.Itoa(i)
	if b.began[i].IsZero() {
		b.began[i] = time.Now()
	}
	b.errs[i] = fmt.Errorf("%w: no acknowledgement", api.ErrUnavailable)
	if err := b.params.Client.Conn.PublishMsg(m); err != nil {
		return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
	}
	return nil
}

func (b *batch) answered(i int, m *nats.Msg) {
	if b.acks[i], b.errs[i] = b.ackOf(m); b.errs[i] == nil {
		b.metrics.stored(b.began[i])
	}
}
