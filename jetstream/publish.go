package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

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
func (n *Node) message(e *event.Event) *nats.Msg {
	if e.ID.IsZero() {
		return e.Message("")
	}
	return e.Message(n.msgID(&e.ID, e.Subject))
}

// Publish stores one event and returns after it is stored. Its errors are those
// of Event.Check, ErrDiskFull, ErrRefused (not stored) and ErrUnavailable (unknown).
func (n *Node) Publish(ctx context.Context, e event.Event) (Ack, error) {
	if err := e.Check(); err != nil {
		return Ack{}, err
	}
	if err := n.opened(); err != nil {
		return Ack{}, err
	}
	began := time.Now()
	ack, err := n.insist(ctx, &e)
	if err == nil {
		n.metrics.stored(began)
	}
	return ack, err
}

// insist sends an event until it is taken, as far as that is safe.
func (n *Node) insist(ctx context.Context, e *event.Event) (Ack, error) {
	ctx, cancel := context.WithTimeout(ctx, api.WriteWait)
	defer cancel()
	m := n.message(e)
	var ack Ack
	// Nobody there means nothing stored; after a silence only an id makes a
	// second try safe.
	again := func(err error) bool {
		return (errors.Is(err, nats.ErrNoResponders) || !e.ID.IsZero() && errors.Is(err, api.ErrUnavailable)) && n.cutOff() == 0
	}
	err := api.Retry{Pause: api.WritePause, Again: again}.Do(ctx, func(ctx context.Context) (err error) {
		if n.diskFull() {
			return api.ErrDiskFull
		}
		ack, err = n.publishOnce(ctx, m, !e.ID.IsZero())
		return err
	})
	return ack, err
}

// publishOnce gives an event that can be sent again up as soon as another node
// leads.
func (n *Node) publishOnce(ctx context.Context, m *nats.Msg, repeatable bool) (Ack, error) {
	try, cancel := context.WithTimeout(ctx, api.WriteTry)
	defer cancel()
	if repeatable {
		defer context.AfterFunc(n.leader.Epoch(), cancel)()
	}
	resp, err := n.conn.RequestMsgWithContext(try, m)
	if err != nil {
		return Ack{}, fmt.Errorf("%w: %w", api.ErrUnavailable, err)
	}
	return n.ackOf(resp)
}

// ackOf reads the stream's answer to a publish.
func (n *Node) ackOf(m *nats.Msg) (Ack, error) {
	ack, err := api.AckOf(m)
	if err != nil {
		return Ack{}, err
	}
	return Ack{Seq: ack.Seq, Cursor: n.CursorAt(ack.Seq), Duplicate: ack.Duplicate}, nil
}

// opened is ErrUnavailable while the node is being opened, and while it is cut
// off: no majority will answer, and a publisher that knows that soon can turn to
// another node.
func (n *Node) opened() error {
	if what := n.waiting.Load(); what != nil {
		return fmt.Errorf("%w: %s", api.ErrUnavailable, *what)
	}
	if n.cutOff() > 0 {
		return fmt.Errorf("%w: %w", api.ErrUnavailable, api.ErrIsolated)
	}
	return nil
}
