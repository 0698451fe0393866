package ingest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"

	"weft/bridge"
	"weft/bridge/cloudevent"
	"weft/bridge/pointer"
	"weft/edge/problem"
	"weft/jetstream/event"
	"weft/jetstream/subject"
)

// A message is the body of a request on its way to become events.
type message struct {
	query
	publisher event.Publisher
	may       func(subject string) bool
	header    map[string]string // of all events
	request   http.Header
	events    []event.Event
	charge    func(bytes int64) error // of the budget, for what is held beside the body
}

const (
	// fewHeaders is how many headers of an event cost so little beside it that they are not
	// charged, and headerBytes is about what each of the others takes.
	fewHeaders  = 16
	headerBytes = 160
)

// hold charges the headers of an event that was taken apart: a document of many short
// attributes takes many times its own size.
func (m *message) hold(header map[string]string) error {
	if n := len(header) - fewHeaders; n > 0 {
		return m.charge(int64(n) * headerBytes)
	}
	return nil
}

// plain takes a body that says it is no CloudEvent. One of JSON that has all that an event
// must have, and names whom it is for while the query does not, is one.
func (m *message) plain(contentType string, body []byte) error {
	if m.rule == nil && len(m.subjects) == 0 && cloudevent.MediaType(contentType) == "application/json" {
		if doc, err := pointer.Parse(body); err == nil && cloudevent.Addressed(doc) {
			delete(m.header, event.HeaderContentType)
			return m.entry(doc)
		}
	}
	return m.raw(body)
}

// raw takes a body that is no CloudEvent.
func (m *message) raw(body []byte) error {
	if m.rule != nil {
		return m.place(body)
	}
	return m.add(event.Event{Type: m.kind, Header: m.header, Data: body}, cloudevent.Attributes{})
}

// structured takes one structured CloudEvent.
func (m *message) structured(body []byte) error {
	doc, err := pointer.Parse(body)
	if err != nil {
		return badEvent(fmt.Errorf("%w: %w", cloudevent.ErrEvent, err))
	}
	return m.entry(doc)
}

// entry takes a structured CloudEvent, which may be one of a batch.
func (m *message) entry(doc pointer.Document) error {
	if m.rule != nil {
		return m.placeStructured(doc)
	}
	e, err := cloudevent.Read(doc)
	if err != nil {
		return badEvent(err)
	}
	header := maps.Clone(m.header)
	e.Header(header)
	if err := m.hold(header); err != nil {
		return err
	}
	return m.add(event.Event{Type: e.Type, Header: header, Data: e.Data, JSON: e.JSON}, e.Attributes)
}

// batch takes a list of structured CloudEvents.
func (m *message) batch(body []byte) error {
	docs, err := cloudevent.Split(body, maxEvents)
	switch {
	case errors.Is(err, cloudevent.ErrMany):
		return tooMany()
	case err != nil:
		return badEvent(err)
	case len(docs) == 0:
		return problem.New(problem.BadEvent, "the batch is empty")
	}
	m.events = make([]event.Event, 0, len(docs))
	for n, doc := range docs {
		if err := m.entry(doc); err != nil {
			return at(n, err)
		}
	}
	return nil
}

// binary takes a CloudEvent whose attributes are in the headers.
func (m *message) binary(headers http.Header, body []byte) error {
	if m.rule != nil {
		return m.place(body)
	}
	x, err := cloudevent.FromHTTP(headers)
	if err != nil {
		return badEvent(err)
	}
	a, err := x.Attributes()
	if err != nil {
		return badEvent(err)
	}
	x.Header(m.header)
	if m.header[event.HeaderContentType] == "" {
		bridge.CarryOn(m.header, event.HeaderContentType, x.ContentType())
	}
	return m.add(event.Event{Type: a.Type, Header: m.header, Data: body}, a)
}

func badEvent(err error) *problem.Problem {
	return problem.New(problem.BadEvent, err.Error())
}

func tooMany() *problem.Problem {
	return problem.New(problem.TooLarge, fmt.Sprintf("more than %d events in one request", maxEvents))
}

// at says which event of a batch err is about.
func at(n int, err error) error {
	if p, ok := err.(*problem.Problem); ok {
		p.Detail = "event " + strconv.Itoa(n) + ": " + p.Detail
	}
	return err
}

// add enters e once for each of its addressees, if it may be stored there.
func (m *message) add(e event.Event, a cloudevent.Attributes) error {
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
		return problem.New(problem.BadEvent,
			"nobody is named whom the event is for: give ?user= or ?subject=, or a CloudEvent the attribute user or topic")
	}
	if len(m.events)+len(subjects) > maxEvents {
		return tooMany()
	}
	for _, s := range subjects {
		e.Subject = s
		if err := e.Check(); err != nil {
			return refused(err)
		}
		if err := m.enter(e, a); err != nil {
			return err
		}
	}
	return nil
}

// enter enters an event that was checked, if its publisher may publish there.
func (m *message) enter(e event.Event, a cloudevent.Attributes) error {
	e.Source = event.SourceHTTP
	if a.ID != "" {
		e.ID = m.publisher.EventID(a.Source, a.ID)
	}
	if !m.may(e.Subject) {
		return problem.New(problem.Forbidden, "the token does not allow to publish there")
	}
	m.events = append(m.events, e)
	return nil
}

// name gives those events message ids from an Idempotency-Key that have none: a
// CloudEvent has an id of its own.
func (m *message) name(keys []string) {
	if len(keys) == 0 {
		return
	}
	for n := range m.events {
		if e := &m.events[n]; e.ID.IsZero() {
			e.ID = m.publisher.KeyID(keys[0], n)
		}
	}
}
