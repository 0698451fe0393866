package ingress

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"

	"weft/bridge/cloudevent"
	"weft/jetstream/event"
)

// check makes an event of a message, or says why it is none.
func (r *reader) check(e *event.Event, header []byte) error {
	if header != nil {
		structured, err := r.readHeader(e, header)
		if err != nil {
			return err
		}
		if structured {
			if err := takeApart(e); err != nil {
				return err
			}
		}
	}
	return e.Check()
}

// takeApart turns a structured CloudEvent into the form in which it is stored: its attributes
// in headers, where they replace whatever the publisher has put there, and its data as
// payload.
func takeApart(e *event.Event) error {
	ce, err := cloudevent.Structured(e.Data)
	if err != nil {
		return err
	}
	for name := range e.Header {
		if name == event.HeaderContentType || isAttribute(name) {
			delete(e.Header, name)
		}
	}
	ce.Header(e.Header)
	e.Header[event.HeaderType] = cloudevent.Encoded(ce.Type)
	e.Data, e.JSON = ce.Data, ce.JSON
	return nil
}

func isAttribute(name string) bool {
	return len(name) > len(cloudevent.HTTPPrefix) && strings.EqualFold(name[:len(cloudevent.HTTPPrefix)], cloudevent.HTTPPrefix)
}

// errHeader is wrapped by errors about a publisher's headers.
var errHeader = errors.New("bad header")

// readHeader takes the headers that an event may have, and says whether it is a structured
// CloudEvent. Those of the stream begin with Nats-: with some it tells where a message is from, which may stand in
// one that is sent on; with the others a publisher asks for what it would not get.
func (r *reader) readHeader(e *event.Event, raw []byte) (structured bool, err error) {
	header, err := nats.DecodeHeadersMsg(raw)
	if err != nil {
		return structured, fmt.Errorf("%w: %w", errHeader, err)
	}
	for name, values := range header {
		switch {
		case len(values) == 0, isStamp(name):
		case strings.EqualFold(name, event.HeaderMsgID):
			e.ID = event.NATSID(r.from.User, values[0])
		case strings.EqualFold(name, "Nats-Expected-Stream") && values[0] == event.StreamName:
		case len(name) >= 5 && strings.EqualFold(name[:5], "nats-"):
			return structured, fmt.Errorf("%w: %.80s is not for publishers", errHeader, name)
		default:
			if e.Header == nil {
				e.Header = make(map[string]string, len(header))
			}
			key := storedName(name)
			if _, taken := e.Header[key]; !taken || name == key {
				e.Header[key] = values[0]
			}
		}
	}
	return cloudevent.MediaType(e.Header[event.HeaderContentType]) == cloudevent.TypeStructured, nil
}

// storedName is the name under which a header is stored. Those of CloudEvents may come in any
// case, and are stored in one: each is there once, whoever reads the event, and the one that a
// publisher has spelt so counts.
func storedName(name string) string {
	if isAttribute(name) || strings.EqualFold(name, event.HeaderContentType) {
		return strings.ToLower(name)
	}
	return name
}

// stamps are the headers by which a stream says what a message is, and those of
// the protocol.
var stamps = []string{"Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Last-Sequence", "Nats-Time-Stamp", "Nats-Num-Pending",
	"Nats-UpTo-Sequence", "Nats-Last-Consumer", "Nats-Last-Stream", "Nats-Stream-Source", "Nats-Msg-Size", "Status", "Description", event.HeaderSource}

func isStamp(name string) bool {
	for _, s := range stamps {
		if strings.EqualFold(name, s) {
			return true
		}
	}
	return false
}
