package ingest

import (
	"errors"
	"strings"

	"weft/bridge"
	"weft/bridge/cloudevent"
	"weft/bridge/pointer"
	"weft/edge/problem"
	"weft/jetstream/event"
	"weft/jetstream/subject"
)

// place has the rule say whom a body is for, which is no structured CloudEvent.
func (m *message) place(body []byte) error { return m.placeRecord(body, "") }

// placeStructured has the rule say whom a structured CloudEvent is for.
func (m *message) placeStructured(doc pointer.Document) error {
	return m.placeRecord(doc.Raw(), cloudevent.TypeStructured)
}

// placeRecord enters what the rule makes of a value; contentType stands for that of the
// request unless it is "".
func (m *message) placeRecord(value []byte, contentType string) error {
	rec := &bridge.Record{Value: value, Request: true}
	for name, values := range m.request {
		if contentType != "" && strings.EqualFold(name, event.HeaderContentType) {
			continue
		}
		for _, v := range values {
			rec.Headers = append(rec.Headers, bridge.Header{Name: name, Value: []byte(v)})
		}
	}
	if contentType != "" {
		rec.Headers = append(rec.Headers, bridge.Header{Name: event.HeaderContentType, Value: []byte(contentType)})
	}
	events, own, err := m.rule.Place(rec)
	if err != nil {
		return unplaced(err)
	}
	if len(m.events)+len(events) > maxEvents {
		return tooMany()
	}
	if err := m.hold(events[0].Header); err != nil {
		return err
	}
	for _, e := range events {
		if own.ID == "" && m.kind != "" {
			if e.Type = m.kind; event.CheckType(e.Type) != nil {
				return refused(event.CheckType(e.Type))
			}
		}
		if err := m.enter(e, own); err != nil {
			return err
		}
	}
	return nil
}

// unplaced says why a rule makes no event.
func unplaced(err error) *problem.Problem {
	refusal, ok := errors.AsType[*bridge.Refusal](err)
	if !ok {
		return badEvent(err)
	}
	switch refusal.Cause {
	case bridge.CauseNoAddressee:
		return problem.New(problem.BadEvent, "the rule does not find whom the event is for: "+refusal.Err.Error())
	case bridge.CauseTooLarge:
		return refused(refusal.Err)
	}
	if errors.Is(err, subject.ErrSubject) || errors.Is(err, subject.ErrToken) {
		return problem.New(problem.BadEvent, "the rule makes no subject: "+refusal.Err.Error())
	}
	return badEvent(refusal.Err)
}
