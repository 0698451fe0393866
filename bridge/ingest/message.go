package ingest

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"

	"weft/bridge"
	"weft/bridge/cloudevent"
	"weft/jetstream"
	"weft/jetstream/subject"
)

// A message is the body of a request on its way to become events.
type message struct {
	query
	publisher string
	header    map[string]string // of all events
	events    []jetstream.Event
}

// raw takes a body that is no CloudEvent.
func (m *message) raw(body []byte) error {
	return m.add(jetstream.Event{Type: m.kind, Header: m.header, Data: body}, cloudevent.Attributes{})
}

// structured takes one structured CloudEvent.
func (m *message) structured(body []byte) error {
	a, err := cloudevent.Structured(body)
	if err != nil {
		return badEvent(err)
	}
	h := maps.Clone(m.header)
	h[jetstream.HeaderContentType] = cloudevent.TypeStructured
	return m.add(jetstream.Event{Type: a.Type, Header: h, Data: body}, a)
}

// batch takes a list of structured CloudEvents.
func (m *message) batch(body []byte) error {
	docs, err := cloudevent.Split(body, maxEvents)
	if err != nil {
		return badEvent(err)
	}
	if len(docs) == 0 {
		return problem(http.StatusUnprocessableEntity, "bad_event", "the batch is empty")
	}
	for n, doc := range docs {
		if err := m.structured(doc); err != nil {
			if p, ok := err.(*Problem); ok {
				return at(n, len(docs)+1, p)
			}
			return err
		}
	}
	return nil
}

// binary takes a CloudEvent whose attributes are in the headers.
func (m *message) binary(headers http.Header, body []byte) error {
	x, err := cloudevent.FromHTTP(headers)
	if err != nil {
		return badEvent(err)
	}
	a, err := x.Attributes()
	if err != nil {
		return badEvent(err)
	}
	h := maps.Clone(m.header)
	bridge.CarryAttributes(h, x)
	return m.add(jetstream.Event{Type: a.Type, Header: h, Data: body}, a)
}

func badEvent(err error) *Problem {
	return problem(http.StatusUnprocessableEntity, "bad_event", err.Error())
}

// add enters e once for each of its addressees.
func (m *message) add(e jetstream.Event, a cloudevent.Attributes) error {
	var subjects []string
	if a.User != "" {
		s, err := subject.OfUser(a.User)
		if err != nil {
			return badEvent(fmt.Errorf("attribute user: %w", err))
		}
		subjects = append(subjects, s)
	}
	if a.Topic != "" {
		s := subject.Topic + a.Topic
		if err := subject.Check(s); err != nil {
			return badEvent(fmt.Errorf("attribute topic: %w", err))
		}
		subjects = append(subjects, s)
	}
	if len(subjects) == 0 {
		subjects = m.subjects
	}
	if len(subjects) == 0 {
		return problem(http.StatusUnprocessableEntity, "bad_event",
			"nobody is named whom the event is for: give ?user= or ?subject=, or a CloudEvent the attribute user or topic")
	}
	if len(m.events)+len(subjects) > maxEvents {
		return problem(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("more than %d events in one request", maxEvents))
	}
	for _, s := range subjects {
		copied := e
		copied.Subject = s
		if a.ID != "" {
			copied.ID = jetstream.MsgID("c", m.publisher, a.Source+"#"+a.ID, s)
		}
		m.events = append(m.events, copied)
	}
	return nil
}

// name gives those events message ids from an Idempotency-Key that have none: a
// CloudEvent has an id of its own.
func (m *message) name(keys []string) {
	if len(keys) == 0 {
		return
	}
	for n := range m.events {
		if e := &m.events[n]; e.ID == "" {
			e.ID = jetstream.MsgID("h", m.publisher, keys[0], strconv.Itoa(n), e.Subject)
		}
	}
}
