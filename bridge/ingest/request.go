package ingest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"unicode/utf8"

	"weft/bridge"
	"weft/bridge/body"
	"weft/bridge/cloudevent"
	"weft/edge/problem"
	"weft/jetstream/event"
	"weft/jetstream/subject"
)

// maxKey is the greatest Idempotency-Key.
const maxKey = 255

// query is what a request may say in its URL.
type query struct {
	subjects []string
	kind     string
	rule     *bridge.Rule // nil: subjects, or the event, say whom it is for
}

// read makes the events of a request.
func (i *Ingest) read(r *http.Request, b *body.Body, publisher event.Publisher, may func(string) bool) ([]event.Event, error) {
	q, err := i.readQuery(r.URL)
	if err != nil {
		return nil, err
	}
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) > 1 || len(keys) == 1 && (keys[0] == "" || len(keys[0]) > maxKey) {
		return nil, problem.New(problem.BadRequest, fmt.Sprintf("Idempotency-Key: want one of 1 to %d bytes", maxKey))
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, problem.New(problem.UnsupportedType, "the body must not be compressed")
	}
	data, err := b.Read(r, int64(i.cfg.BodyLimit))
	if err != nil {
		return nil, err
	}
	said := r.Header
	if formByHabit(said.Get("Content-Type"), data) {
		said = said.Clone()
		said.Del("Content-Type")
	}
	contentType := said.Get("Content-Type")
	header := map[string]string{}
	bridge.CarryOn(header, event.HeaderTraceparent, r.Header.Get("Traceparent"))
	m := &message{query: q, publisher: publisher, may: may, header: header, request: said, charge: b.Charge}
	switch cloudevent.FormOf(contentType, cloudevent.HasHTTP(r.Header)) {
	case cloudevent.InBody:
		err = m.structured(data)
	case cloudevent.Batch:
		err = m.batch(data)
	case cloudevent.Binary:
		bridge.CarryOn(header, event.HeaderContentType, contentType)
		err = m.binary(said, data)
	case cloudevent.None:
		bridge.CarryOn(header, event.HeaderContentType, contentType)
		err = m.plain(contentType, data)
	case cloudevent.Unknown:
		return nil, problem.New(problem.UnsupportedType,
			"of the formats of CloudEvents only JSON is known: "+cloudevent.TypeStructured+" and "+cloudevent.TypeBatch)
	}
	if err != nil {
		return nil, err
	}
	m.name(keys)
	return m.events, nil
}

// formByHabit reports whether a body is called a form only because curl calls whatever it
// sends one: it is JSON, and is to reach clients as that.
func formByHabit(contentType string, body []byte) bool {
	return cloudevent.MediaType(contentType) == "application/x-www-form-urlencoded" && utf8.Valid(body) && json.Valid(body)
}

func (i *Ingest) readQuery(u *url.URL) (query, error) {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return query{}, problem.New(problem.BadRequest, "the query is not well encoded")
	}
	q := query{kind: values.Get("type")}
	if len(values["type"]) > 1 {
		return query{}, problem.New(problem.BadRequest, "type= is there more than once")
	}
	if len(values["user"])+len(values["subject"]) > maxEvents {
		return query{}, problem.New(problem.BadRequest, fmt.Sprintf("more than %d addressees", maxEvents))
	}
	for _, user := range values["user"] {
		s, err := subject.OfUser(user)
		if err != nil {
			return query{}, problem.New(problem.BadSubject, "user=: "+err.Error())
		}
		q.subjects = append(q.subjects, s)
	}
	for _, s := range values["subject"] {
		if err := subject.Check(s); err != nil {
			return query{}, problem.New(problem.BadSubject, err.Error())
		}
		q.subjects = append(q.subjects, s)
	}
	q.subjects = subject.Distinct(q.subjects)
	rules := values["rule"]
	switch {
	case len(rules) == 0:
		return q, nil
	case len(rules) > 1:
		return query{}, problem.New(problem.BadRequest, "rule= is there more than once")
	case len(q.subjects) > 0:
		return query{}, problem.New(problem.BadRequest, "rule= says whom the event is for; leave out user= and subject=")
	}
	if q.rule, err = i.rules.Named(rules[0]); err != nil {
		return query{}, problem.New(problem.BadRequest, "rule=: "+err.Error())
	}
	return q, nil
}
