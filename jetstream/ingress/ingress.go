package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/ratelog"
	"weft/jetstream/server"
	"weft/jetstream/subject"
)

const (
	// ingressRetry is the time between two tries to connect.
	ingressRetry = 50 * time.Millisecond
	// maxLoggedSubject bounds what is logged of a subject, in bytes.
	maxLoggedSubject = 100
	// ingressGrace is how long a node that stops waits for what it has not passed on.
	ingressGrace = time.Second
)

// An ingress stores, as the node, what a NATS publisher sends from its account:
// user.<user> and topic.<topic>, within the limits of an event. Of the headers
// those of the stream itself are taken away; a message id counts among the ids of
// the same publisher. What it asks of the stream it asks under a reply of its own
// and passes the acknowledgement on, so nothing of the publisher's choice but event
// and payload comes into the nodes' account.
//
// It keeps the order of what it reads, and has a bounded number of messages on
// their way; while that is exhausted it reads no more, which slows the publisher
// down. It tries nothing twice: a publisher that is told nothing must send again.
type ingress struct {
	node      *Node
	from      server.Publisher
	listening func()
	limited   *ratelog.Log // of what publishers can cause
}

// runIngress serves a publisher until ctx ends. It calls listening when the
// publisher is heard, once more after each interruption.
func (n *Node) runIngress(ctx context.Context, from server.Publisher, listening func()) {
	in := &ingress{node: n, from: from, listening: listening, limited: n.limited}
	for ctx.Err() == nil {
		if err := in.serve(ctx); err != nil && ctx.Err() == nil {
			n.log.Debug("read what a publisher sends", "publisher", from.Name, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(ingressRetry):
		}
	}
}

// serve passes messages on until a connection fails, because the server has been
// stopped, or ctx ends.
func (in *ingress) serve(ctx context.Context) error {
	client, err := in.node.srv.Dial(in.from.Reader, "ingress of "+in.from.Name)
	if err != nil {
		return err
	}
	defer client.Close()
	store, err := in.node.srv.Dial(server.NodeUser, "store for "+in.from.Name)
	if err != nil {
		return err
	}
	defer store.Close()
	replies := nats.NewInbox()
	f := newForwarding(client, store, server.NodeInbox+strings.TrimPrefix(replies, "_INBOX")+".")
	client.Pong = in.listening
	if err := f.open(in.from.Prefix); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, client.Interrupt)()
	answered := make(chan error, 1)
	go func() {
		answered <- errors.Join(f.passAnswers(func(err error) { in.refused("", err) }), client.Flush())
		client.Close()
	}()
	if err = in.read(ctx, f); ctx.Err() != nil {
		f.drain(ingressGrace)
	}
	store.Close()
	return errors.Join(err, <-answered)
}

// read passes on what the publisher sends.
func (in *ingress) read(ctx context.Context, f *forwarding) error {
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
			waited, closed = false, in.node.store.TakesEvents()
		}
		e := event.Event{Subject: string(m.Subject[len(in.from.Prefix):]), Data: m.Data}
		if err = closed; err == nil {
			err = in.check(&e, m.Header)
		}
		if err != nil {
			in.refused(e.Subject, err)
			f.refuse(m.Reply, err)
			continue
		}
		id := ""
		if !e.ID.IsZero() {
			id = in.node.store.MessageID(&e.ID, e.Subject)
		}
		if err := f.pass(ctx, &e, id, m.Reply); err != nil {
			return err
		}
	}
}

// refused counts a publish that is not stored, and tells the log now and then.
func (in *ingress) refused(subject string, err error) {
	cause := refusalCause(err)
	in.node.metrics.refusals.WithLabelValues(cause).Inc()
	if cause == refusedSubject {
		in.node.metrics.misses.Inc()
	}
	in.limited.Warn("publish "+cause, "what a publisher sent is not stored", "publisher", in.from.Name, "subject", subject[:min(len(subject), maxLoggedSubject)], "err", err)
}

// check makes an event of a message, or says why it is none.
func (in *ingress) check(e *event.Event, header []byte) error {
	if header != nil {
		if err := in.readHeader(e, header); err != nil {
			return err
		}
	}
	return e.Check()
}

// errHeader is wrapped by errors about a publisher's headers.
var errHeader = errors.New("bad header")

// readHeader takes the headers that an event may have. Those of the stream begin
// with Nats-: with some it tells where a message is from, which may stand in one
// that is sent on; with the others a publisher asks for what it would not get.
func (in *ingress) readHeader(e *event.Event, raw []byte) error {
	header, err := nats.DecodeHeadersMsg(raw)
	if err != nil {
		return fmt.Errorf("%w: %w", errHeader, err)
	}
	for name, values := range header {
		switch {
		case len(values) == 0, isStamp(name):
		case strings.EqualFold(name, event.HeaderMsgID):
			e.ID = event.NATSID(in.from.User, values[0])
		case strings.EqualFold(name, "Nats-Expected-Stream") && values[0] == event.StreamName:
		case len(name) >= 5 && strings.EqualFold(name[:5], "nats-"):
			return fmt.Errorf("%w: %.80s is not for publishers", errHeader, name)
		default:
			if e.Header == nil {
				e.Header = make(map[string]string, len(header))
			}
			e.Header[name] = values[0]
		}
	}
	return nil
}

// stamps are the headers by which a stream says what a message is, and those of
// the protocol.
var stamps = []string{"Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Last-Sequence", "Nats-Time-Stamp", "Nats-Num-Pending",
	"Nats-UpTo-Sequence", "Nats-Last-Consumer", "Nats-Last-Stream", "Nats-Stream-Source", "Nats-Msg-Size", "Status", "Description", event.HeaderSource}

func isStamp(name string) bool {
	for _, s := range stamps {
		if strings.EqualFold(name, s) {
			return true
		}
	}
	return false
}

// Causes of a refusal, as a metric label has them.
const (
	refusedSubject     = "subject"
	refusedType        = "type"
	refusedSize        = "too_large"
	refusedJSON        = "not_json"
	refusedHeader      = "header"
	refusedDisk        = "disk_full"
	refusedUnavailable = "store_unavailable"
)

var refusedCauses = []string{refusedSubject, refusedType, refusedSize, refusedJSON, refusedHeader, refusedDisk, refusedUnavailable}

func refusalCause(err error) string {
	switch {
	case errors.Is(err, subject.ErrSubject):
		return refusedSubject
	case errors.Is(err, event.ErrType):
		return refusedType
	case errors.Is(err, event.ErrTooLarge):
		return refusedSize
	case errors.Is(err, event.ErrJSON):
		return refusedJSON
	case errors.Is(err, api.ErrDiskFull):
		return refusedDisk
	case errors.Is(err, api.ErrUnavailable), errors.Is(err, api.ErrRefused):
		return refusedUnavailable
	}
	return refusedHeader
}

// refusalText is the answer to a publish that is not stored, as a stream gives it
// (JetStream API, PubAck with an error).
func refusalText(err error) []byte {
	e := api.Error{Code: 400, ErrCode: 10000, Description: err.Error()}
	switch {
	case errors.Is(err, api.ErrDiskFull):
		e.Code, e.ErrCode = 503, api.CodeStorage
	case errors.Is(err, api.ErrUnavailable):
		e.Code, e.ErrCode = 503, api.CodeUnavailable
	case errors.Is(err, event.ErrTooLarge):
		e.ErrCode = api.CodeTooLarge
	}
	text, err := json.Marshal(struct {
		Error  api.Error `json:"error"`
		Stream string    `json:"stream"`
		Seq    int       `json:"seq"`
	}{Error: e, Stream: event.StreamName})
	if err != nil {
		return nil // a text cannot fail
	}
	return text
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
