package jetstream

import (
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
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

// headerSource says of a stored event which bridge brought it and, behind a
// blank, when it was made upstream, in Unix milliseconds, if that is known. A
// publisher's own is taken away.
const headerSource = "weft-source"

// label writes the header, unless there is nothing to say.
func (e *Event) label(h nats.Header) {
	if e.Source == SourceNATS || e.Source >= Sources {
		return
	}
	v := e.Source.String()
	if !e.Made.IsZero() {
		v += " " + strconv.FormatInt(e.Made.UnixMilli(), 10)
	}
	h[headerSource] = []string{v}
}

// Origin returns the way in of a stored event and since when its age counts: from
// when it was made upstream, where that is known, else from when it was stored;
// zero when neither is known.
func (s *Stored) Origin() (Source, time.Time) {
	return origin(first(s.Header, headerSource), s.Time())
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
