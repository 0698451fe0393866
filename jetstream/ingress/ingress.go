package ingress

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/event"
	"weft/jetstream/natsconn"
	"weft/jetstream/ratelog"
	"weft/jetstream/server"
	"weft/jetstream/subject"
)

const (
	// dialPause is the time between two tries to connect.
	dialPause = 50 * time.Millisecond
	// maxLoggedSubject bounds what is logged of a subject, in bytes.
	maxLoggedSubject = 100
	// drainTimeout is how long a node that stops waits for what it has not passed on.
	drainTimeout = time.Second
)

// Params are what an ingress needs of its node. Functions may be called concurrently.
type Params struct {
	// Dial connects as one of the node's users, under a name.
	Dial func(user, name string) (*natsconn.Conn, error)
	// Closed says why no event can be stored at this moment; nil when it can.
	Closed func() error
	// MessageID is the text of an event's message id for the stream, and EventID that of the
	// id of the event with a sequence, as its publisher is told.
	MessageID func(id *event.MsgID, subject string) string
	EventID   func(seq uint64) string
	// Rules may be nil: there are none.
	Rules Rules
	Log   *slog.Logger
}

// Rules makes the events of what is published to in.<rule>: header holds one value of each
// name, without those of the stream. The events may lie in data; their message ids are not
// looked at. An error says why there are none: nothing is stored then.
type Rules func(rule string, header map[string]string, data []byte) ([]event.Event, error)

// An Ingress takes what NATS publishers send. Its methods may be called concurrently.
type Ingress struct {
	p       Params
	limited *ratelog.Log
	refused *prometheus.CounterVec // by cause
	misses  prometheus.Counter
	cutOff  prometheus.Counter
}

// New makes an ingress, which does nothing until Run.
func New(p Params, reg prometheus.Registerer) *Ingress {
	in := &Ingress{p: p, limited: ratelog.New(p.Log, time.Now),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weft_jetstream_publishes_refused_total",
			Help: "Messages of NATS publishers that were not stored, by cause."}, []string{"cause"}),
		misses: prometheus.NewCounter(prometheus.CounterOpts{Name: "weft_jetstream_misaddressed_total",
			Help: "Messages of NATS publishers whose subject cannot be stored."}),
		cutOff: prometheus.NewCounter(prometheus.CounterOpts{Name: "weft_jetstream_publishers_cut_off_total",
			Help: "How often what waited of NATS publishers was dropped, because they send faster than the node stores, or because the NATS server was restarted. Who waited for an acknowledgement gets none."})}
	reg.MustRegister(in.refused, in.misses, in.cutOff)
	for _, cause := range refusedCauses {
		in.refused.WithLabelValues(cause)
	}
	return in
}

// Run serves a publisher until ctx ends. It calls listening when the publisher is heard,
// once more after each interruption.
func (in *Ingress) Run(ctx context.Context, from server.Publisher, listening func()) {
	r := &reader{Ingress: in, from: from, listening: listening}
	for ctx.Err() == nil {
		r.heard = false
		if err := r.serve(ctx); err != nil && ctx.Err() == nil {
			r.interrupted(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(dialPause):
		}
	}
}

// A reader serves one publisher.
type reader struct {
	*Ingress
	from      server.Publisher
	listening func()
	heard     bool // since the last connection
}

// interrupted counts and tells that the server dropped what it held for this reader, which is
// told nothing else: it only sees its connection end.
func (r *reader) interrupted(err error) {
	if !r.heard {
		r.p.Log.Debug("read what a publisher sends", "publisher", r.from.Name, "err", err)
		return
	}
	r.cutOff.Inc()
	r.limited.Warn("publisher cut off", "what waited of a publisher is dropped: it sends faster than events are stored, or the NATS server was restarted; who waits for acknowledgements, with a few hundred events on their way, loses nothing",
		"publisher", r.from.Name, "err", err)
}

// serve passes messages on until a connection fails, because the server has been
// stopped, or ctx ends.
func (r *reader) serve(ctx context.Context) error {
	client, err := r.p.Dial(r.from.Reader, "ingress of "+r.from.Name)
	if err != nil {
		return err
	}
	defer client.Close()
	store, err := r.p.Dial(server.NodeUser, "store for "+r.from.Name)
	if err != nil {
		return err
	}
	defer store.Close()
	replies := nats.NewInbox()
	f := newForwarding(client, store, server.NodeInbox+strings.TrimPrefix(replies, "_INBOX")+".", r.p.EventID)
	client.Pong = func() { r.heard = true; r.listening() }
	if err := f.open(r.from.Prefix); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, client.Interrupt)()
	answered := make(chan error, 1)
	go func() {
		answered <- errors.Join(f.forwardAnswers(func(err error) { r.refuse("", err) }), client.Flush())
		client.Close()
	}()
	if err = r.read(ctx, f); ctx.Err() != nil {
		f.drain(drainTimeout)
	}
	store.Close()
	return errors.Join(err, <-answered)
}

// read passes on what the publisher sends.
func (r *reader) read(ctx context.Context, f *forwarding) error {
	var closed error
	waited := true
	f.client.BeforeRead = func() {
		_ = f.store.Flush() // next fails as well then
		waited = true
	}
	for {
		m, err := f.client.Next()
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if waited {
			waited, closed = false, r.p.Closed()
		}
		if err := r.pass(ctx, f, m, closed); err != nil {
			return err
		}
	}
}

// pass passes one message on, or refuses it, for closed if that is an error. What it returns
// is what ends the reading.
func (r *reader) pass(ctx context.Context, f *forwarding, m natsconn.Msg, closed error) error {
	e := event.Event{Subject: string(m.Subject[len(r.from.Prefix):]), Data: m.Data}
	if rule, ok := strings.CutPrefix(e.Subject, subject.Rules); ok {
		events, err := r.place(rule, m, closed)
		if err == nil {
			return r.passAll(ctx, f, events, m.Reply)
		}
		r.refuse(e.Subject, err)
		f.refuse(m.Reply, err)
		return nil
	}
	err := closed
	if err == nil {
		err = r.check(&e, m.Header)
	}
	if err != nil {
		r.refuse(e.Subject, err)
		f.refuse(m.Reply, err)
		return nil
	}
	return f.forward(ctx, &e, r.messageID(&e), m.Reply)
}

// messageID is the text of the message id of an event, "" for none.
func (r *reader) messageID(e *event.Event) string {
	if e.ID.IsZero() {
		return ""
	}
	own := e.ID // so that an event without one is not moved to the heap
	return r.p.MessageID(&own, e.Subject)
}

// refuse counts a publish that is not stored, and tells the log now and then.
func (r *reader) refuse(to string, err error) {
	cause := refusalCause(err)
	r.refused.WithLabelValues(cause).Inc()
	if cause == refusedSubject {
		r.misses.Inc()
	}
	r.limited.Warn("publish "+cause, "what a publisher sent is not stored", "publisher", r.from.Name, "subject", to[:min(len(to), maxLoggedSubject)], "err", err)
}
