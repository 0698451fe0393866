// Package cloudevent reads CloudEvents as they arrive over Kafka, HTTP and NATS, and
// writes their attributes as headers.
//
// Three forms are known: structured (the whole event is one JSON document),
// binary (attributes in headers, the payload is the data) and batch (a JSON list
// of structured events, HTTP only). Sources of the formats: CloudEvents 1.0.2,
// its JSON event format 1.1, its HTTP protocol binding sections 3.1 to 3.3, its
// Kafka protocol binding sections 3.2 and 3.3, its NATS protocol binding section
// 3.1. Versions 0.1 to 0.3 are accepted, with the older names of their attributes.
//
// Whatever form an event came in, it is stored in binary form as version 1.0: Header writes
// its attributes, and its data is the payload, byte for byte as it was written.
package cloudevent

import (
	"errors"
	"fmt"
	"strings"
)

// Media types (JSON event format, section 3; JSON batch format, section 4).
const (
	TypeStructured = "application/cloudevents+json"
	TypeBatch      = "application/cloudevents-batch+json"
	// typePrefix begins all media types of events, also of formats not known here.
	typePrefix = "application/cloudevents"
)

// ErrEvent is wrapped by all errors about something that says it is a
// CloudEvent and is not a good one.
var ErrEvent = errors.New("bad CloudEvent")

// Attributes are what Weft needs to know of an event.
type Attributes struct {
	ID, Source, Type string
	// User and Topic are the extension attributes that name whom an event that
	// is published by HTTP is for; "" for none.
	User, Topic string
}

// check knows the attributes that every version requires.
func check(version string, a Attributes) error {
	switch version {
	case "1.0", "0.3", "0.2", "0.1":
	case "":
		return fmt.Errorf("%w: attribute specversion is missing", ErrEvent)
	default:
		return fmt.Errorf("%w: version %.20q is not known; 1.0, 0.3, 0.2 and 0.1 are", ErrEvent, version)
	}
	for _, required := range []struct{ name, value string }{{"id", a.ID}, {"source", a.Source}, {"type", a.Type}} {
		if required.value == "" {
			return fmt.Errorf("%w: attribute %s is missing or empty", ErrEvent, required.name)
		}
	}
	return nil
}

// A Form is how an event is written in a message.
type Form int

// Forms of messages.
const (
	None    Form = iota // no CloudEvent
	Binary              // attributes in headers
	InBody              // structured
	Batch               // a list of structured events
	Unknown             // says it is a CloudEvent in a format that is not known
)

// FormOf judges a message by its content type and by whether it has a header
// for the version of CloudEvents. The content type decides first (HTTP protocol
// binding, section 3).
func FormOf(contentType string, versionHeader bool) Form {
	media := MediaType(contentType)
	switch {
	case media == TypeStructured:
		return InBody
	case media == TypeBatch:
		return Batch
	case strings.HasPrefix(media, typePrefix):
		return Unknown
	case versionHeader:
		return Binary
	}
	return None
}
