package bridge

import (
	"errors"
	"strings"

	"weft/bridge/cloudevent"
)

// A Record is what a Rule looks at: a Kafka record, or what is published by HTTP or NATS.
type Record struct {
	Key     []byte // nil: none
	Value   []byte // nil: a tombstone
	Headers []Header
	// Request says that it came by HTTP or NATS: the case of a header's name does not
	// matter, and the attributes of a CloudEvent are ce-<name>, percent-encoded.
	Request bool
}

// prefix begins the headers that are attributes of a CloudEvent.
func (r *Record) prefix() string {
	if r.Request {
		return cloudevent.HTTPPrefix
	}
	return cloudevent.KafkaPrefix
}

// Header is a header of a record. Names may occur more than once.
type Header struct {
	Name  string
	Value []byte
}

// header returns the values of all headers of that name: of Kafka exactly.
func (r *Record) header(name string) []string {
	var values []string
	for _, h := range r.Headers {
		if h.Name == name || r.Request && strings.EqualFold(h.Name, name) {
			values = append(values, string(h.Value))
		}
	}
	return values
}

// first returns the first header whose name is equal but for case.
func (r *Record) first(name string) (string, bool) {
	for _, h := range r.Headers {
		if strings.EqualFold(h.Name, name) {
			return string(h.Value), true
		}
	}
	return "", false
}

// A Cause says in one word why a record cannot be placed. It is the value of a
// metric's label and of a dead letter's header.
type Cause string

// The causes.
const (
	CauseNotJSON     Cause = "not_json"      // pointers are to look into what is no JSON, or it says it is JSON
	CauseBadEvent    Cause = "bad_event"     // says it is a CloudEvent and is none
	CauseNoAddressee Cause = "no_addressee"  // no template has all its values
	CauseAddressee   Cause = "bad_addressee" // a value cannot be part of a subject
	CauseBinary      Cause = "binary"        // a key or header that is to be text holds bytes
	CauseType        Cause = "bad_type"
	CauseTooLarge    Cause = "too_large"
	CauseRefused     Cause = "refused" // by the store, for good
)

// Causes are all of them.
var Causes = []Cause{CauseNotJSON, CauseBadEvent, CauseNoAddressee, CauseAddressee, CauseType, CauseBinary, CauseTooLarge, CauseRefused}

// A Refusal is the error of a record that cannot be placed.
type Refusal struct {
	Cause Cause
	Err   error
}

// Error names the cause and what is known beyond it. It may quote the names of
// placeholders but no value of the record.
func (r *Refusal) Error() string { return string(r.Cause) + ": " + r.Err.Error() }

// Unwrap returns the reason.
func (r *Refusal) Unwrap() error { return r.Err }

// ErrTombstone is returned for a record with a null value that is no CloudEvent
// in binary form.
var ErrTombstone = errors.New("tombstone")
