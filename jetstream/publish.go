package jetstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

var (
	// ErrUnavailable means that the store did not answer: it is unknown
	// whether an event was stored. Try again with the same message id.
	ErrUnavailable = errors.New("store unavailable")
	// ErrDiskFull means that an event was not stored because the disk is full,
	// or nearly so.
	ErrDiskFull = errors.New("disk full")
	// ErrRefused means that the store will never take the event.
	ErrRefused = errors.New("event refused by the store")
)

const (
	// publishTry bounds one try of a publish, publishWait all of them.
	publishTry   = 2 * time.Second
	publishWait  = 8 * time.Second
	publishPause = 50 * time.Millisecond
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
func (n *Node) message(e *Event) *nats.Msg {
	m := &nats.Msg{Subject: e.Subject, Data: e.Data}
	if len(e.Header) > 0 || e.Type != "" || !e.ID.IsZero() || e.Source != SourceNATS {
		m.Header = make(nats.Header, len(e.Header)+3)
		for k, v := range e.Header {
			m.Header[k] = []string{v}
		}
		if e.Type != "" {
			if _, ok := m.Header[HeaderType]; !ok {
				m.Header[HeaderType] = []string{e.Type}
			}
		}
		if !e.ID.IsZero() {
			m.Header[HeaderMsgID] = []string{n.msgID(&e.ID, e.Subject)}
		}
		e.label(m.Header)
	}
	return m
}

// Publish stores one event and returns after it is stored. Its errors are those
// of Event.Check, ErrDiskFull, ErrRefused (not stored) and ErrUnavailable (unknown).
func (n *Node) Publish(ctx context.Context, e Event) (Ack, error) {
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
func (n *Node) insist(ctx context.Context, e *Event) (Ack, error) {
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	m := n.message(e)
	for {
		if n.disk.full() {
			return Ack{}, ErrDiskFull
		}
		ack, err := n.publishOnce(ctx, m, !e.ID.IsZero())
		// Nobody there means nothing stored; after a silence only an id makes a
		// second try safe.
		again := errors.Is(err, nats.ErrNoResponders) || !e.ID.IsZero() && errors.Is(err, ErrUnavailable)
		if !again || n.cutOff() > 0 {
			return ack, err
		}
		select {
		case <-ctx.Done():
			return Ack{}, err
		case <-time.After(publishPause):
		}
	}
}

// publishOnce gives an event that can be sent again up as soon as another node
// leads.
func (n *Node) publishOnce(ctx context.Context, m *nats.Msg, repeatable bool) (Ack, error) {
	try, cancel := context.WithTimeout(ctx, publishTry)
	defer cancel()
	if repeatable {
		defer context.AfterFunc(n.Term(), cancel)()
	}
	resp, err := n.conn.RequestMsgWithContext(try, m)
	if err != nil {
		return Ack{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return n.parseAck(resp.Data)
}

// parseAck reads the stream's answer to a publish.
func (n *Node) parseAck(data []byte) (Ack, error) {
	if rest, ok := bytes.CutPrefix(data, freshAck); ok { // by far the most
		rest, _ = bytes.CutSuffix(rest, []byte("}"))
		if seq, err := strconv.ParseUint(string(rest), 10, 64); err == nil && seq > 0 {
			return Ack{Seq: seq, Cursor: n.CursorAt(seq)}, nil
		}
	}
	var resp struct {
		Error     *apiError `json:"error"`
		Stream    string    `json:"stream"`
		Seq       uint64    `json:"seq"`
		Duplicate bool      `json:"duplicate"`
	}
	if err := json.Unmarshal(data, &resp); err != nil {
		return Ack{}, fmt.Errorf("%w: bad acknowledgement: %w", ErrUnavailable, err)
	}
	if resp.Error != nil {
		return Ack{}, refusal(resp.Error)
	}
	if resp.Seq == 0 {
		return Ack{}, fmt.Errorf("%w: empty acknowledgement", ErrUnavailable)
	}
	return Ack{Seq: resp.Seq, Cursor: n.CursorAt(resp.Seq), Duplicate: resp.Duplicate}, nil
}

// freshAck begins the acknowledgement of an event that is no duplicate; its
// sequence and a brace follow.
var freshAck = []byte(`{"stream":"` + streamEvents + `","seq":`)

// refusal sorts an error answer: what the store will never take, and what may
// pass.
func refusal(e *apiError) error {
	switch e.ErrCode {
	case errCodeSequence:
		return errExists
	case errCodeTooLarge:
		return fmt.Errorf("%w: %w", ErrRefused, e)
	case errCodeStorage, errCodeResources:
		return fmt.Errorf("%w: %w", ErrDiskFull, e)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, e)
}

// opened is ErrUnavailable while the node is being opened, and while it is cut
// off: no majority will answer, and a publisher that knows that soon can turn to
// another node.
func (n *Node) opened() error {
	if what := n.waiting.Load(); what != nil {
		return fmt.Errorf("%w: %s", ErrUnavailable, *what)
	}
	if n.cutOff() > 0 {
		return fmt.Errorf("%w: %w", ErrUnavailable, ErrIsolated)
	}
	return nil
}
