package event

import (
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"weft/bridge/cloudevent"
)

// A Source is the way in by which an event came. It is for measuring only.
type Source uint8

// The ways in. What says nothing of where it comes from was published to NATS.
const (
	SourceNATS Source = iota
	SourceKafka
	SourceHTTP
	Sources // how many there are
)

var sourceNames = [Sources]string{SourceNATS: "nats", SourceKafka: "kafka", SourceHTTP: "http"}

// String is the source as a metric label has it.
func (s Source) String() string { return sourceNames[s] }

// HeaderSource says of a stored event which bridge brought it and, behind a
// blank, when it was made upstream, in Unix milliseconds, if that is known. A
// publisher's own is taken away.
const HeaderSource = "weft-source"

// Message makes the NATS message of an event, with the text of its id; "" is none.
func (e *Event) Message(id string) *nats.Msg {
	m := &nats.Msg{Subject: e.Subject, Data: e.Data}
	if len(e.Header) > 0 || e.Type != "" || id != "" || e.Source != SourceNATS {
		m.Header = make(nats.Header, len(e.Header)+3)
		for k, v := range e.Header {
			m.Header[k] = []string{v}
		}
		if e.Type != "" {
			if _, ok := m.Header[HeaderType]; !ok {
				m.Header[HeaderType] = []string{cloudevent.Encoded(e.Type)}
			}
		}
		if id != "" {
			m.Header[HeaderMsgID] = []string{id}
		}
		e.label(m.Header)
	}
	return m
}

// label writes the header, unless there is nothing to say.
func (e *Event) label(h nats.Header) {
	if e.Source == SourceNATS || e.Source >= Sources {
		return
	}
	v := e.Source.String()
	if !e.Made.IsZero() {
		v += " " + strconv.FormatInt(e.Made.UnixMilli(), 10)
	}
	h[HeaderSource] = []string{v}
}

// Origin returns the way in of a stored event and since when its age counts: from
// when it was made upstream, where that is known, else from when it was stored;
// zero when neither is known.
func (s *Stored) Origin() (Source, time.Time) {
	return origin(FirstValue(s.Header, HeaderSource), s.Time())
}

// origin is Origin for the header's value and when the event was stored.
func origin(v string, stored time.Time) (Source, time.Time) {
	if v == "" {
		return SourceNATS, stored
	}
	name, made, _ := strings.Cut(v, " ")
	for _, source := range []Source{SourceKafka, SourceHTTP} {
		if name != source.String() {
			continue
		}
		if ms, err := strconv.ParseInt(made, 10, 64); err == nil && ms > 0 {
			return source, time.UnixMilli(ms)
		}
		return source, stored
	}
	return SourceNATS, stored
}
