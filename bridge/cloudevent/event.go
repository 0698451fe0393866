// Package cloudevent reads CloudEvents as they arrive over Kafka and HTTP.
//
// Three forms are known: structured (the whole event is one JSON document),
// binary (attributes in headers, the payload is the data) and batch (a JSON list
// of structured events, HTTP only). Sources of the formats: CloudEvents 1.0.2,
// its JSON event format 1.1, its HTTP protocol binding sections 3.1 to 3.3, its
// Kafka protocol binding sections 3.2 and 3.3. Versions 0.1 to 0.3 are accepted,
// with the older names of their attributes.
//
// Nothing is rewritten: a structured event is passed on byte for byte.
package cloudevent

import (
	"errors"
	"fmt"
	"strings"

	"weft/bridge/pointer"
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

// Paths of the attributes in a structured event, in the order in which Paths
// gives them and FromPaths takes their values.
var paths = []string{
	"/specversion", "/id", "/source", "/type",
	"/cloudEventsVersion", "/eventID", "/eventType", // 0.1
	"/user", "/topic",
}

// Paths are the JSON Pointers to the attributes in a structured event, for a
// caller that looks other things up in the same pass.
func Paths() []string { return append([]string(nil), paths...) }

// Structured reads a structured event.
func Structured(doc []byte) (Attributes, error) {
	d, err := pointer.Parse(doc)
	if err != nil {
		return Attributes{}, fmt.Errorf("%w: %w", ErrEvent, err)
	}
	return Read(d)
}

// Read is Structured for a document that is known to be valid JSON.
func Read(doc pointer.Document) (Attributes, error) {
	found := make([][]byte, len(paths))
	structured.FindIn(doc, found)
	return FromPaths(found)
}

var structured = mustSet(paths)

func mustSet(paths []string) *pointer.Set {
	s, err := pointer.NewSet(paths...)
	if err != nil {
		panic(err) // the pointers are constants
	}
	return s
}

// FromPaths is Structured for values that were found at Paths.
func FromPaths(found [][]byte) (Attributes, error) {
	var text [9]string
	for i, raw := range found[:len(paths)] {
		if raw == nil || raw[0] == 'n' { // an attribute that is null is not set
			continue
		}
		if raw[0] != '"' && i < 7 {
			return Attributes{}, fmt.Errorf("%w: attribute %s is no string", ErrEvent, paths[i][1:])
		}
		t, err := pointer.Text(raw)
		if err != nil {
			return Attributes{}, fmt.Errorf("%w: attribute %s: %w", ErrEvent, paths[i][1:], err)
		}
		text[i] = t
	}
	version, a := text[0], Attributes{ID: text[1], Source: text[2], Type: text[3], User: text[7], Topic: text[8]}
	if version == "" && text[4] != "" {
		version, a.ID, a.Type = text[4], text[5], text[6]
	}
	return a, check(version, a)
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
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
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
