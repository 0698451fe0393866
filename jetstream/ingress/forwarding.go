package ingress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/natsconn"
	"weft/jetstream/subject"
)

const (
	// window is how many messages an ingress has on their way. The server
	// remembers where so many subjects lead (maxResultCacheSize), so that it need
	// not look up each reply.
	window = 448
	// ackTimeout is how long it waits for an acknowledgement. It is shorter than
	// the time after which the server ends a connection that reads nothing.
	ackTimeout = 4 * time.Second
)

// errNoLeader is the answer to a publish while nobody leads the stream.
var errNoLeader = fmt.Errorf("%w: nobody takes events at this moment", api.ErrUnavailable)

// A forwarding is the pair of connections of an ingress, with the messages that
// are on their way between them: a ring, in which each has a place that is part of
// the reply subject. So is the epoch, which ends whenever a place is given up: a late
// answer must not be taken for that of the next one who has the place.
type forwarding struct {
	client *natsconn.Conn // the publisher's account
	store  *natsconn.Conn // the nodes'
	prefix []byte         // of replies on store

	mu     sync.Mutex
	free   chan struct{} // gets a token when there is room
	ring   []forwarded
	oldest uint64
	next   uint64
	epoch  uint64
}

// forwarded is a message on its way.
type forwarded struct {
	open  bool
	epoch uint64
	sent  time.Time
	reply []byte // whom to tell; empty: nobody
}

func newForwarding(client, store *natsconn.Conn, prefix string) *forwarding {
	return &forwarding{client: client, store: store, prefix: []byte(prefix), ring: make([]forwarded, window),
		free: make(chan struct{}, 1)}
}

// open subscribes on both sides. When the publisher is heard the client answers a ping.
func (f *forwarding) open(prefix string) error {
	listen := func(c *natsconn.Conn, subjects ...string) (err error) {
		for i, s := range subjects {
			err = errors.Join(err, c.Subscribe(s, uint64(i+1)))
		}
		return errors.Join(err, c.Flush())
	}
	// Who answers must be heard before anything is sent.
	err := errors.Join(listen(f.store, string(f.prefix)+"*.*"), listen(f.client, prefix+subject.AllUsers, prefix+subject.AllTopics))
	return errors.Join(err, f.client.Ping(), f.client.Flush())
}

// forward sends an event to the store, with the text of its id; reply is whom to tell. It
// blocks while too many are on their way. What it is given is not kept.
func (f *forwarding) forward(ctx context.Context, e *event.Event, id string, reply []byte) error {
	place, epoch, err := f.enter(ctx, reply)
	if err != nil {
		return err
	}
	return f.store.Send(func(b []byte) []byte { return appendEvent(b, e, id, f.prefix, epoch, place) })
}

// enter takes a place in the ring. The places of those that were not answered in
// time are free again: their publishers are told nothing.
func (f *forwarding) enter(ctx context.Context, reply []byte) (place, epoch uint64, err error) {
	for {
		f.mu.Lock()
		if f.next-f.oldest < window {
			place, epoch = f.next%window, f.epoch
			f.next++
			s := &f.ring[place]
			s.open, s.epoch, s.sent, s.reply = true, epoch, time.Now(), append(s.reply[:0], reply...)
			f.mu.Unlock()
			return place, epoch, nil
		}
		wait := ackTimeout - time.Since(f.ring[f.oldest%window].sent)
		if wait <= 0 {
			f.ring[f.oldest%window].open = false
			f.epoch++
			f.settleLocked()
			f.mu.Unlock()
			continue
		}
		f.mu.Unlock()
		if err := f.store.Flush(); err != nil {
			return 0, 0, err
		}
		select {
		case <-f.free:
		case <-time.After(wait):
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
	}
}

// settleLocked moves the end of the ring to the oldest message that is on its way.
func (f *forwarding) settleLocked() {
	for f.oldest < f.next && !f.ring[f.oldest%window].open {
		f.oldest++
	}
	select {
	case f.free <- struct{}{}:
	default:
	}
}

// forwardAnswers passes acknowledgements on until the store's connection fails. It tells
// refused what was not stored.
func (f *forwarding) forwardAnswers(refused func(error)) error {
	f.store.BeforeRead = func() { _ = f.client.Flush() } // next fails as well then
	var reply []byte
	for {
		m, err := f.store.Next()
		if err != nil {
			return err
		}
		if len(m.Subject) <= len(f.prefix) {
			continue
		}
		epoch, place, _ := bytes.Cut(m.Subject[len(f.prefix):], []byte("."))
		e, err := strconv.ParseUint(string(epoch), 36, 64)
		p, err2 := strconv.ParseUint(string(place), 36, 64)
		if err != nil || err2 != nil || p >= window {
			continue
		}
		var ok bool
		switch reply, ok = f.settle(p, e, reply[:0]); {
		case !ok:
		case m.NoResponders():
			refused(errNoLeader)
			f.refuse(reply, errNoLeader)
		default:
			if _, err := api.ParseAck(m.Data); err != nil {
				refused(err)
			}
			f.answer(reply, m.Data)
		}
	}
}

// settle takes a message out of the ring and appends to b whom to tell. It is not ok
// when the time of the message is over.
func (f *forwarding) settle(place, epoch uint64, b []byte) (whom []byte, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.ring[place]
	if !s.open || s.epoch != epoch {
		return b, false
	}
	s.open = false
	if place == f.oldest%window {
		f.settleLocked()
	}
	return append(b, s.reply...), true
}

// answer tells a publisher, if it wants to know, and has an inbox: what it may not publish
// the ingress could. An error shows on the next read.
func (f *forwarding) answer(reply, data []byte) {
	if !subject.IsInbox(reply) {
		return
	}
	_ = f.client.Send(func(b []byte) []byte {
		b = append(append(append(b, "PUB "...), reply...), ' ')
		b = append(strconv.AppendInt(b, int64(len(data)), 10), "\r\n"...)
		return append(append(b, data...), "\r\n"...)
	})
}

// refuse tells a publisher that its message is not stored.
func (f *forwarding) refuse(reply []byte, err error) {
	if len(reply) > 0 {
		f.answer(reply, refusalText(err))
		_ = f.client.Flush() // see answer
	}
}

// drain waits until nothing is on its way, at most for the given time.
func (f *forwarding) drain(most time.Duration) {
	_ = f.store.Flush() // see answer
	deadline := time.NewTimer(most)
	defer deadline.Stop()
	for {
		f.mu.Lock()
		done := f.oldest == f.next
		f.mu.Unlock()
		if done {
			return
		}
		select {
		case <-f.free:
		case <-deadline.C:
			return
		}
	}
}

// appendEvent appends the publication of an event, with the text of its id.
func appendEvent(b []byte, e *event.Event, id string, prefix []byte, epoch, place uint64) []byte {
	headed := id != "" || len(e.Header) > 0
	if headed {
		b = append(b, 'H')
	}
	b = append(append(append(b, "PUB "...), e.Subject...), ' ')
	b = append(strconv.AppendUint(append(b, prefix...), epoch, 36), '.')
	b = append(strconv.AppendUint(b, place, 36), ' ')
	if headed {
		header := appendHeader(nil, e, id)
		b = append(strconv.AppendInt(b, int64(len(header)), 10), ' ')
		b = append(strconv.AppendInt(b, int64(len(header)+len(e.Data)), 10), "\r\n"...)
		b = append(b, header...)
	} else {
		b = append(strconv.AppendInt(b, int64(len(e.Data)), 10), "\r\n"...)
	}
	return append(append(b, e.Data...), "\r\n"...)
}

// appendHeader appends the headers of an event in their form on the wire (NATS
// ADR-4).
func appendHeader(b []byte, e *event.Event, id string) []byte {
	b = append(b, "NATS/1.0\r\n"...)
	for name, value := range e.Header {
		b = append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
	}
	if id != "" {
		b = append(append(append(b, event.HeaderMsgID+": "...), id...), "\r\n"...)
	}
	return append(b, "\r\n"...)
}
