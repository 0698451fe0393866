package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

// A Publisher stores events. Its methods may be called concurrently.
type Publisher struct {
	stream  *Stream
	params  *Params
	metrics *metrics
	took    func() // is told that the store has taken an event of a pipeline
	hasID   func(ctx context.Context, subject string, id event.MsgID) (bool, error)
}

// An Ack says where an event was stored.
type Ack struct {
	Seq uint64
	// Cursor is the id of the event, as a client with one subject holds it.
	Cursor string
	// Duplicate is set when the stream had an event with the same id.
	Duplicate bool
}

// message makes the NATS message of an event. It is the one place where a message
// id gets the stream's secret.
func (p *Publisher) message(e *event.Event) *nats.Msg {
	if e.ID.IsZero() {
		return e.Message("")
	}
	return e.Message(p.stream.MessageID(&e.ID, e.Subject))
}

// Publish stores one event and returns after it is stored. Its errors are those
// of Event.Check, ErrDiskFull, ErrRefused (not stored) and ErrUnavailable (unknown).
func (p *Publisher) Publish(ctx context.Context, e event.Event) (Ack, error) {
	if err := e.Check(); err != nil {
		return Ack{}, err
	}
	if err := p.params.Opened(); err != nil {
		return Ack{}, err
	}
	began := time.Now()
	ack, err := p.insist(ctx, &e)
	if err == nil {
		p.metrics.stored(began)
	}
	return ack, err
}

// insist sends an event until it is taken, as far as that is safe.
func (p *Publisher) insist(ctx context.Context, e *event.Event) (Ack, error) {
	ctx, cancel := context.WithTimeout(ctx, api.WriteWait)
	defer cancel()
	m := p.message(e)
	var ack Ack
	// Nobody there means nothing stored; after a silence only an id makes a
	// second try safe.
	again := func(err error) bool {
		return (errors.Is(err, nats.ErrNoResponders) || !e.ID.IsZero() && errors.Is(err, api.ErrUnavailable)) && !p.params.CutOff()
	}
	err := api.Retry{Pause: api.WritePause, Again: again}.Do(ctx, func(ctx context.Context) (err error) {
		if p.params.DiskFull() {
			return api.ErrDiskFull
		}
		ack, err = p.publishOnce(ctx, m, !e.ID.IsZero())
		return err
	})
	return ack, err
}

// publishOnce gives an event that can be sent again up as soon as another node
// leads.
func (p *Publisher) publishOnce(ctx context.Context, m *nats.Msg, repeatable bool) (Ack, error) {
	try, cancel := context.WithTimeout(ctx, api.WriteTry)
	defer cancel()
	if repeatable {
		defer context.AfterFunc(p.stream.leader.Epoch(), cancel)()
	}
	resp, err := p.params.Client.Conn.RequestMsgWithContext(try, m)
	if err != nil {
		return Ack{}, fmt.Errorf("%w: %w", api.ErrUnavailable, err)
	}
	return p.ackOf(resp)
}

// ackOf reads the stream's answer to a publish.
func (p *Publisher) ackOf(m *nats.Msg) (Ack, error) {
	ack, err := api.AckOf(m)
	if err != nil {
		return Ack{}, err
	}
	return Ack{Seq: ack.Seq, Cursor: p.stream.CursorAt(ack.Seq), Duplicate: ack.Duplicate}, nil
}

// Barrier stores a message of no meaning and returns its sequence: all that any
// node has acknowledged before the call has a lower one. Head and State are
// answered also by a leader that is cut off from the others, which have another
// one meanwhile; Barrier takes a majority. It fails with ErrUnavailable: try
// again.
func (p *Publisher) Barrier(ctx context.Context) (uint64, error) {
	ack, err := p.publishOnce(ctx, nats.NewMsg(tickSubject(p.params)), true)
	return ack.Seq, err
}
