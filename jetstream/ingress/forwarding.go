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
	id     func(seq uint64) string

	mu     sync.Mutex
	free   chan struct{} // gets a token when there is room
	ring   []forwarded
	oldest uint64
	next   uint64
	epoch  uint64
}

// forwarded is a message on its way.
type forwarded struct {
	open   bool
	epoch  uint64
	sent   time.Time
	reply  []byte  // whom to tell; empty: nobody
	copies *copies // of one message, of which this is one; nil: it is the only one
	copy   int
}

// newForwarding makes a forwarding whose replies begin with prefix. id is the text of the id of
// the event with a sequence.
func newForwarding(client, store *natsconn.Conn, prefix string, id func(seq uint64) string) *forwarding {
	return &forwarding{client: client, store: store, prefix: []byte(prefix), id: id, ring: make([]forwarded, window),
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
	err := errors.Join(listen(f.store, string(f.prefix)+"*.*"), listen(f.client, prefix+subject.AllUsers, prefix+subject.AllTopics, prefix+subject.AllRules))
	return errors.Join(err, f.client.Ping(), f.client.Flush())
}

// forward sends an event to the store, with the text of its id; reply is whom to tell. It
// blocks while too many are on their way. What it is given is not kept.
func (f *forwarding) forward(ctx context.Context, e *event.Event, id string, reply []byte) error {
	return f.send(ctx, e, id, forwarded{reply: reply})
}

// send is forward for what is told to its publisher as the entry says.
func (f *forwarding) send(ctx context.Context, e *event.Event, id string, as forwarded) error {
	place, epoch, err := f.enter(ctx, as)
	if err != nil {
		return err
	}
	return f.store.Send(func(b []byte) []byte { return appendEvent(b, e, id, f.prefix, epoch, place) })
}

// enter takes a place in the ring. The places of those that were not answered in
// time are free again: their publishers are told nothing.
func (f *forwarding) enter(ctx context.Context, as forwarded) (place, epoch uint64, err error) {
	for {
		f.mu.Lock()
		if f.next-f.oldest < window {
			place, epoch = f.next%window, f.epoch
			f.next++
			s := &f.ring[place]
			s.open, s.epoch, s.sent, s.reply = true, epoch, time.Now(), append(s.reply[:0], as.reply...)
			s.copies, s.copy = as.copies, as.copy
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
	var reply, told []byte
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
		var done forwarded
		var ok bool
		if done, ok = f.settle(p, e, reply[:0]); !ok {
			continue
		}
		reply = done.reply
		var ack api.Ack
		if err = errNoLeader; !m.NoResponders() {
			ack, err = api.ParseAck(m.Data)
		}
		if err != nil {
			refused(err)
		}
		switch {
		case done.copies != nil:
			if text := done.copies.settle(done.copy, ack, err, f.id); text != nil {
				f.answer(done.copies.reply, text)
			}
		case m.NoResponders():
			f.refuse(reply, err)
		case err != nil:
			f.answer(reply, m.Data)
		case subject.IsInbox(reply): // else it need not be spelt
			told = appendID(told[:0], m.Data, f.id(ack.Seq))
			f.answer(reply, told)
		}
	}
}

// settle takes a message out of the ring and appends to b whom to tell. It is not ok
// when the time of the message is over.
func (f *forwarding) settle(place, epoch uint64, b []byte) (done forwarded, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.ring[place]
	if !s.open || s.epoch != epoch {
		return forwarded{reply: b}, false
	}
	s.open = false
	if place == f.oldest%window {
		f.settleLocked()
	}
	done = *s
	done.reply, s.copies = append(b, s.reply...), nil
	return done, true
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
