package bridge

import (
	"errors"
	"fmt"
	"strings"

	"weft/bridge/cloudevent"
	"weft/bridge/pointer"
	"weft/jetstream/event"
	"weft/jetstream/subject"
)

// A Rule makes the events of a source's records. It is immutable and may be
// used concurrently.
type Rule struct {
	to       []*subject.Template
	kind     *subject.Template // nil: no type
	pointers []string          // all that the templates use, each once
	plain    *pointer.Set      // pointers, in the value of a record
	data     *pointer.Set      // what is below /data of pointers, in the value of a binary event
	under    []int             // the position in data of pointers[i], -1: an attribute
}

// known reports whether a placeholder that is no pointer means something for a record.
func known(name string) bool { return name == "key" || headerOf(name) != "" }

// knownOfRequest is known for what is published by HTTP or NATS. A header by which somebody
// shows who it is has no place in a subject, which others see.
func knownOfRequest(name string) bool {
	switch header := headerOf(name); strings.ToLower(header) {
	case "", "authorization", "cookie", "proxy-authorization":
		return false
	}
	return true
}

// headerOf is the header that a placeholder names, "" for none.
func headerOf(placeholder string) string {
	header, ok := strings.CutPrefix(placeholder, "header:")
	if !ok {
		return ""
	}
	return header
}

func parseTo(s string, known func(string) bool) (*subject.Template, error) {
	return subject.ParseSubjectTemplate(s, false, known)
}

func parseType(s string, known func(string) bool) (*subject.Template, error) {
	if s == "" {
		return nil, nil
	}
	t, err := subject.ParseTemplate(s, known)
	if err != nil {
		return nil, err
	}
	plain, err := t.Text(func(string) []string { return []string{"x"} })
	if err != nil {
		return nil, err
	}
	return t, event.CheckType(plain)
}

// NewRule compiles the rule of a source, which Config.Check has passed.
func NewRule(s Source) (*Rule, error) { return newRule(s.To, s.Type) }

func newRule(to []string, kind string) (*Rule, error) {
	r := &Rule{}
	for _, to := range to {
		t, err := parseTo(to, known)
		if err != nil {
			return nil, err
		}
		r.to = append(r.to, t)
		r.need(t)
	}
	k, err := parseType(kind, known)
	if err != nil {
		return nil, err
	}
	if k != nil {
		r.kind = k
		r.need(k)
	}
	return r, r.compile()
}

func (r *Rule) need(t *subject.Template) {
	for _, name := range t.Names() {
		if name[0] == '/' && r.position(name) < 0 {
			r.pointers = append(r.pointers, name)
		}
	}
}

func (r *Rule) position(name string) int {
	for i, p := range r.pointers {
		if p == name {
			return i
		}
	}
	return -1
}

func (r *Rule) compile() (err error) {
	if r.plain, err = pointer.NewSet(r.pointers...); err != nil {
		return err
	}
	var below []string
	for _, p := range r.pointers {
		rest, ok := strings.CutPrefix(p, "/data")
		if ok && (rest == "" || rest[0] == '/') {
			r.under = append(r.under, len(below))
			below = append(below, rest)
		} else {
			r.under = append(r.under, -1)
		}
	}
	r.data, err = pointer.NewSet(below...)
	return err
}

// Events makes the events of rec, without message ids; there is at least one.
// They share their payload, which may lie in the record's value, and their headers. The error is ErrTombstone or
// a *Refusal.
func (r *Rule) Events(rec *Record) ([]event.Event, error) {
	events, _, err := r.Place(rec)
	return events, err
}

// Place is Events, with the attributes of a CloudEvent.
func (r *Rule) Place(rec *Record) ([]event.Event, cloudevent.Attributes, error) {
	v, err := r.view(rec)
	if err != nil {
		return nil, cloudevent.Attributes{}, err
	}
	events, err := r.events(v)
	return events, v.own, err
}

func (r *Rule) events(v *view) ([]event.Event, error) {
	subjects, err := r.subjects(v)
	if err != nil {
		return nil, err
	}
	kind := v.own.Type
	if !v.typed && r.kind != nil {
		if kind, err = r.makeType(v); err != nil {
			return nil, err
		}
	}
	events := make([]event.Event, len(subjects))
	e := event.Event{Type: kind, Header: v.header, Data: v.data, JSON: v.json}
	for i, s := range subjects {
		e.Subject = s
		if err := e.Check(); err != nil {
			return nil, &Refusal{causeOf(err), err}
		}
		events[i] = e
	}
	return events, nil
}

func (r *Rule) subjects(v *view) ([]string, error) {
	var subjects []string
	var missing error
	for _, t := range r.to {
		list, err := t.Expand(v.lookup)
		switch {
		case v.err != nil:
			return nil, &Refusal{causeOf(v.err), v.err}
		case errors.Is(err, subject.ErrMissing):
			if missing == nil {
				missing = err
			} else {
				missing = fmt.Errorf("%w, %w", missing, err)
			}
		case err != nil:
			return nil, &Refusal{CauseAddressee, err}
		case subjects == nil:
			subjects = list
		default:
			subjects = subject.Distinct(append(subjects, list...))
		}
	}
	if len(subjects) == 0 {
		return nil, &Refusal{CauseNoAddressee, missing}
	}
	if len(subjects) > subject.MaxFanOut {
		return nil, &Refusal{CauseAddressee, fmt.Errorf("%w: more than %d", subject.ErrFanOut, subject.MaxFanOut)}
	}
	return subjects, nil
}

// makeType fills the template of the type. A value that is missing, empty, or
// has no text leaves the event without a type: who it is for is known, and a
// type is only what clients choose by. A list of one is that one.
func (r *Rule) makeType(v *view) (string, error) {
	empty := false
	kind, err := r.kind.Text(func(name string) []string {
		values := v.lookup(name)
		empty = empty || len(values) == 1 && values[0] == ""
		return values
	})
	switch {
	case errors.Is(v.err, errBinary):
		return "", &Refusal{CauseBinary, v.err}
	case err != nil || v.err != nil || empty:
		return "", nil
	}
	return kind, nil
}

func causeOf(err error) Cause {
	switch {
	case errors.Is(err, errBinary):
		return CauseBinary
	case errors.Is(err, pointer.ErrText):
		return CauseAddressee
	case errors.Is(err, event.ErrType):
		return CauseType
	case errors.Is(err, event.ErrTooLarge):
		return CauseTooLarge
	case errors.Is(err, event.ErrJSON):
		return CauseNotJSON
	case errors.Is(err, subject.ErrSubject):
		return CauseAddressee
	}
	return CauseBadEvent
}
