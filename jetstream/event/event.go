package event

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"weft/bridge/cloudevent"
)

// Names of the headers that Weft itself reads and writes. CloudEvents
// attributes travel in binary mode of the NATS protocol binding (CloudEvents
// 1.0, "ce-" followed by the attribute's name).
const (
	HeaderType        = "ce-type"
	HeaderContentType = "content-type"
	HeaderTraceparent = "traceparent"
	HeaderMsgID       = "Nats-Msg-Id"
)

// ContentTypeStructured is the media type of a structured CloudEvent.
const ContentTypeStructured = "application/cloudevents+json"

// An Event is one message for one subject, as a source hands it to the store.
type Event struct {
	// Subject is canonical: user.<token> or topic.<token>….
	Subject string
	// Type is the event's type, "" for none. It travels as the header ce-type
	// unless Header has it already.
	Type string
	// Header holds further headers: CloudEvents attributes as ce-<name>,
	// content-type, traceparent. Names are sent as they are written here.
	// Nats-* is refused. Events may share one: it is only read.
	Header map[string]string
	// Data is the payload, passed on byte for byte.
	Data []byte
	// JSON says that Data has been found to be JSON, so that Check need not look.
	JSON bool
	// ID is the message id under which the stream drops duplicates within its
	// window; the zero one is none.
	ID MsgID
	// Source is the way in, and Made when the event was made upstream, by the
	// clock there; zero: that is not known. Both only say how old it is when it
	// is delivered.
	Source Source
	Made   time.Time
}

// ErrUnreadable is the error of an event whose headers are malformed.
var ErrUnreadable = fmt.Errorf("%w: the headers cannot be read", ErrType)

// TypeOf returns the type of a stored event, "" for none: the CloudEvents
// attribute from its header, or out of a structured CloudEvent. An error means
// that the event must not be delivered.
func TypeOf(s *Stored) (string, error) {
	if s.Unreadable {
		return "", ErrUnreadable
	}
	t := kindOf(func(name string) string { return FirstValue(s.Header, name) }, s.Data)
	return t, CheckType(t)
}

// kindOf is the type that an event with these headers has, good or bad.
func kindOf(header func(name string) string, data []byte) string {
	if t := cmp.Or(header(HeaderType), header("Ce-Type")); t != "" {
		return cloudevent.Decoded(t)
	}
	if cloudevent.MediaType(cmp.Or(header(HeaderContentType), header("Content-Type"))) != ContentTypeStructured {
		return ""
	}
	var attributes struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(data, &attributes) != nil {
		return ""
	}
	return attributes.Type
}
