package feed

import (
	"bytes"
	"slices"
	"sync/atomic"
	"time"

	"weft/jetstream/event"
)

// Formats is how many wire formats a Message can remember.
const Formats = 8

// A Message is one stored event on its way to connections. It is shared by all
// connections of the node and must not be changed.
type Message struct {
	Subject string
	Type    string // "" for none
	Data    []byte
	Seq     uint64

	since    int64  // when its age counts from, Unix nanoseconds; 0: not known
	previous uint64 // sequence of the subject's message before, as the stream said
	stream   event.StreamID
	source   event.Source
	dropped  bool // its type is forbidden: it moves cursors and is not shown
	fanOut   atomic.Int32
	stamp    uint32 // see event.Stored.Stamp
	headers  uint32 // how many bytes of them lie behind the payload in its memory
	id       atomic.Pointer[string]
	frames   [Formats]atomic.Pointer[[]byte]
}

// messageOf makes a message of a copy, whose subject is known.
func messageOf(c *event.Copy, subject string, stream event.StreamID) *Message {
	m := &Message{Subject: subject, Type: c.Type, Seq: c.Seq, previous: c.Previous, stamp: c.Stamp, stream: stream, source: c.Source}
	if n := c.HeaderBytes(); n == 0 {
		m.Data = bytes.Clone(c.Data)
	} else {
		both := c.AppendHeaders(append(make([]byte, 0, len(c.Data)+n), c.Data...))
		m.Data, m.headers = both[:len(c.Data)], uint32(n)
	}
	if !c.Since.IsZero() {
		m.since = c.Since.UnixNano()
	}
	if c.TypeErr != nil {
		m.Type, m.headers, m.dropped = "", 0, true
	}
	return m
}

func newMessage(s *event.Stored, stream event.StreamID) *Message {
	m := &Message{Subject: s.Subject, Data: s.Data, Seq: s.Seq, previous: s.Previous, stamp: s.Stamp(), stream: stream}
	var since time.Time
	if m.source, since = s.Origin(); !since.IsZero() {
		m.since = since.UnixNano()
	}
	var err error
	if m.Type, err = event.TypeOf(s); err != nil {
		m.Type, m.dropped = "", true
	} else if h := s.Headers(); h != nil {
		m.Hold(h, s.Data)
	}
	return m
}

// Hold makes headers and data those of a message that nobody shares yet.
func (m *Message) Hold(headers event.Headers, data []byte) {
	m.Data, m.headers = slices.Concat(data, headers)[:len(data)], uint32(len(headers))
}

// Headers are what its publisher has said of it; none when it must not be shown.
func (m *Message) Headers() event.Headers {
	return event.Headers(m.Data[len(m.Data) : len(m.Data)+int(m.headers)])
}

// bytes is what of it a publisher decides about.
func (m *Message) bytes() int { return int(m.headers) + len(m.Data) }

// ID returns the cursor of a client with one subject after this event: the same
// on every transport and node. It may be called concurrently.
func (m *Message) ID() string {
	if id := m.id.Load(); id != nil {
		return *id
	}
	id := event.Cursor{Stream: m.stream, Floor: m.Seq}.String()
	m.id.Store(&id)
	return id
}

// FanOut is how many connections of this node the event goes to at once; 0 when
// it is history. It may be called concurrently.
func (m *Message) FanOut() int { return int(m.fanOut.Load()) }

// Frame returns the encoding of m in one of Formats wire formats. encode is
// called the first time only (or, in a race, by each of the first callers); the
// result is shared, so it must not depend on the connection. It may be called
// concurrently.
func (m *Message) Frame(format int, encode func(*Message) []byte) []byte {
	if b := m.frames[format].Load(); b != nil {
		return *b
	}
	b := encode(m)
	m.frames[format].Store(&b)
	return b
}
