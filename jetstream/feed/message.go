package feed

import (
	"bytes"
	"slices"
	"sync/atomic"
	"time"

	"weft/jetstream/event"
)

const (
	// maxStandings bounds the places where connections stand after a message that it
	// remembers. Nearly all stand at the same one: they have what is up to the low
	// watermark, and this.
	maxStandings = 4
	// maxJoined is up to what size, in bytes, a frame that many share is kept in one piece,
	// for each of the places where they stand. Of a larger one they share the greater part.
	maxJoined = 1 << 10
)

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

	standings atomic.Pointer[standing]
	frames    atomic.Pointer[frame]
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

// GoesTo says to how many connections of this node the event goes at once. What it is
// encoded as is kept for them from two on.
func (m *Message) GoesTo(n int) { m.fanOut.Store(int32(n)) }

// A standing is a place where connections stand after a message.
type standing struct {
	number uint64 // no other one has it; 0 when the message does not remember it
	from   uint64 // the one where who came here first stood before; 0: not known
	stream event.StreamID
	floor  uint64
	above  []event.Position // in the order of the subscriptions
	id     string
	next   *standing
}

// standings counts all of them.
var standings atomic.Uint64

// Cursor returns the id of clients that have all up to floor, and of some subjects, which are
// above and may be sorted, more. It is made once for all who stand at the same place after
// m, and a few such places are remembered. It may be called concurrently.
func (m *Message) Cursor(stream event.StreamID, floor uint64, above []event.Position) string {
	for p := m.standings.Load(); p != nil; p = p.next {
		if p.floor == floor && p.stream == stream && slices.Equal(p.above, above) {
			return p.id
		}
	}
	return m.stand(stream, floor, above, 0).id
}

// stand makes a standing, and remembers it if there is room.
func (m *Message) stand(stream event.StreamID, floor uint64, above []event.Position, from uint64) standing {
	first, known := m.standings.Load(), 0
	for p := first; p != nil; p = p.next {
		known++
	}
	if known == maxStandings {
		return standing{id: event.CursorText(stream, floor, above)}
	}
	p := &standing{number: standings.Add(1), from: from, stream: stream, floor: floor, above: slices.Clone(above), next: first}
	p.id = event.CursorText(stream, floor, above)
	if !m.standings.CompareAndSwap(first, p) { // in a race: one is enough
		p.number = 0
	}
	return *p
}

// isOf reports whether it is where subscriptions of the same low watermark stand.
func (p *standing) isOf(subs []*subscription) bool {
	above := p.above
	for _, s := range subs {
		if s.pos <= p.floor {
			continue
		}
		if len(above) == 0 || above[0] != (event.Position{Subject: s.feed.hash, Seq: s.pos}) {
			return false
		}
		above = above[1:]
	}
	return len(above) == 0
}

// remembers reports whether others may ask for the same id.
func (m *Message) remembers(id string) bool {
	for p := m.standings.Load(); p != nil; p = p.next {
		if p.id == id {
			return true
		}
	}
	return false
}

// An Encoding is a message in a wire format: Head, which may be nil, and Rest follow each
// other. It is shared and must not be changed.
type Encoding struct {
	Head, Rest []byte
	Kind       byte // what its encoder wants to know of it later
}

// A frame is an encoding that is kept.
type frame struct {
	Encoding
	format int
	id     string
	next   *frame
}

// Frame returns the encoding of m in a wire format for clients that hold id after it, which
// is "" for m.ID(). What goes to several connections that hold the same id is encoded once
// (or, in a race, by each of the first callers), so that it must not depend on the
// connection. There is no bound but the number of formats times that of the ids which Cursor
// remembers. It may be called concurrently.
func (m *Message) Frame(format int, id string, encode func(m *Message, format int, id string) Encoding) Encoding {
	first := m.frames.Load()
	for f := first; f != nil; f = f.next {
		if f.format == format && f.id == id {
			return f.Encoding
		}
	}
	e := encode(m, format, id)
	if m.FanOut() < 2 || id != "" && !m.remembers(id) {
		return e
	}
	if e.Head != nil && len(e.Head)+len(e.Rest) <= maxJoined {
		e.Head, e.Rest = nil, slices.Concat(e.Head, e.Rest)
	}
	for f := (&frame{e, format, id, nil}); ; {
		if f.next = m.frames.Load(); m.frames.CompareAndSwap(f.next, f) {
			return e
		}
	}
}
