package ingress

import (
	"context"
	"errors"
	"fmt"

	"weft/bridge/cloudevent"
	"weft/jetstream/event"
	"weft/jetstream/natsconn"
)

// errRule is wrapped by errors about what was published to in.<rule>.
var errRule = errors.New("rule")

// place makes the events of what was published for a rule. closed is why none can be
// stored, if that is an error.
func (r *reader) place(rule string, m natsconn.Msg, closed error) ([]event.Event, error) {
	if closed != nil {
		return nil, closed
	}
	var sent event.Event
	if m.Header != nil {
		if _, err := r.readHeader(&sent, m.Header); err != nil {
			return nil, err
		}
	}
	if r.p.Rules == nil {
		return nil, fmt.Errorf("%w %.80q: there are none in ingest.rules", errRule, rule)
	}
	events, err := r.p.Rules(rule, sent.Header, m.Data)
	if err != nil {
		return nil, fmt.Errorf("%w %.80q: %w", errRule, rule, err)
	}
	for i := range events {
		e := &events[i]
		if e.ID = sent.ID; e.Type == "" {
			continue
		}
		if e.Header == nil {
			e.Header = make(map[string]string, 1)
		}
		e.Header[event.HeaderType] = cloudevent.Encoded(e.Type)
	}
	return events, nil
}

// passAll passes the events of one message on, in order. Its publisher is told when all of
// them are stored.
func (r *reader) passAll(ctx context.Context, f *forwarding, events []event.Event, reply []byte) error {
	all := newCopies(reply, len(events))
	for i := range events {
		e := &events[i]
		if err := f.send(ctx, e, r.messageID(e), forwarded{copies: all, copy: i}); err != nil {
			return err
		}
	}
	return nil
}
