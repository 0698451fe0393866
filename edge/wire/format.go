// Package wire spells what a connection is told: events and Weft's own frames, as
// Server-Sent Events (WHATWG HTML, section 9.2), as messages of WebSocket (RFC 6455) and
// as elements of a long poll's list. What it is told of an event is its Shape: the payload
// alone, a JSON frame, or a CloudEvent (CloudEvents 1.0, JSON event format).
//
// An event is encoded once per node, format and id, and the bytes are shared by all
// connections that hold the same id after it: those with one subject, and those with several
// of which the same have brought something since the low watermark. Of a large event, and of
// one after which all stand at different places, connections share all but a short head,
// which holds the id.
package wire

import (
	"maps"
	"slices"
	"time"

	"weft/jetstream/feed"
)

// A Shape is what a client is given of an event, on whatever transport.
type Shape uint8

// The shapes.
const (
	Default     Shape = iota // the transport's own: Payload over SSE, else Frame
	Payload                  // as it was published
	Frame                    // a JSON object with id, event, subject, type, cloudevent and data
	CloudEvents              // a structured CloudEvent
	Shapes                   // how many there are
)

var shapes = map[string]Shape{"": Default, "payload": Payload, "frame": Frame, "cloudevents": CloudEvents}

// ParseShape reads the name of a shape, "" for the transport's own. It is false for any
// other name than payload, frame and cloudevents.
func ParseShape(name string) (s Shape, ok bool) {
	s, ok = shapes[name]
	return s, ok
}

// ShapeNames are the names that a client may say, in order.
func ShapeNames() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(shapes)), func(name string) bool { return name == "" })
}

// A Format is a wire format: a shape on a transport.
type Format uint8

// The formats.
const (
	// SSE has the payload as data when that is possible, else the JSON frame.
	SSE Format = iota
	// SSEFrame has the JSON frame as data and never names a type: onmessage gets all.
	SSEFrame
	// SSECloudEvents has a CloudEvent as data and never names a type.
	SSECloudEvents
	// WebSocket has each JSON frame in an unmasked text message.
	WebSocket
	// WebSocketPayload has a payload for an event: in a text message when it is UTF-8, else in
	// a binary one. Weft's own frames are those of WebSocket.
	WebSocketPayload
	// WebSocketCloudEvents has each CloudEvent in a text message.
	WebSocketCloudEvents
	// PollPayload has a payload as JSON when it is that, as a string when it is UTF-8, else as
	// the member data_base64 of an object.
	PollPayload
	formats

	// Poll has the JSON frame of WebSocket.
	Poll = formats
	// PollCloudEvents has the CloudEvent of WebSocketCloudEvents.
	PollCloudEvents = formats + 1
)

// SSE is the format of a shape over Server-Sent Events.
func (s Shape) SSE() Format { return [Shapes]Format{SSE, SSE, SSEFrame, SSECloudEvents}[s] }

// WebSocket is the format of a shape over WebSocket.
func (s Shape) WebSocket() Format {
	return [Shapes]Format{WebSocket, WebSocketPayload, WebSocket, WebSocketCloudEvents}[s]
}

// Poll is the format of a shape in the answer to a poll.
func (s Shape) Poll() Format { return [Shapes]Format{Poll, PollPayload, Poll, PollCloudEvents}[s] }

// Types of Weft's own frames.
const (
	TypeOpen      = "weft.open"
	TypeReset     = "weft.reset"
	TypeKeepalive = "weft.keepalive"
	TypeClose     = "weft.close"
	TypePresence  = "weft.presence"
	// TypeExpiring and TypeUnsubscribed tell of a token that ends soon, and of subjects
	// that a new one does not allow.
	TypeExpiring     = "weft.expiring"
	TypeUnsubscribed = "weft.unsubscribed"
)

// Reconnect is after how long a browser reconnects by itself, as weft.open says over SSE.
const Reconnect = 2 * time.Second

// Event spells one event in two parts, of which head may be nil. Both may be shared and must
// not be changed. id is "" when it is m.ID().
func (f Format) Event(m *feed.Message, id string) (head, rest []byte) {
	switch f {
	case WebSocketPayload, PollPayload:
		id = "" // which is not in it
	case Poll:
		return element(WebSocket, m, id)
	case PollCloudEvents:
		return element(WebSocketCloudEvents, m, id)
	}
	e := m.Frame(int(f), id, encode)
	return e.Head, e.Rest
}

// alone reports whether m is encoded as a whole: for its own id, or for one connection.
func alone(m *feed.Message, id string) bool { return id == "" || m.FanOut() < 2 }

// idOr is the id after m.
func idOr(m *feed.Message, id string) string {
	if id == "" {
		return m.ID()
	}
	return id
}

// Control spells a frame of Weft's own. id may be "", and data, which is JSON,
// may be nil. That of weft.open says over SSE when a browser reconnects by itself.
func (f Format) Control(id, typ string, data []byte) []byte {
	after := time.Duration(0)
	if typ == TypeOpen {
		after = Reconnect
	}
	return f.ControlRetry(after, id, typ, data)
}

// ControlRetry is Control for a frame that says over SSE after how long a browser
// reconnects; 0 does not.
func (f Format) ControlRetry(after time.Duration, id, typ string, data []byte) []byte {
	switch f {
	case SSE:
		return sseControl(after, id, typ, data)
	case SSEFrame:
		return sseControl(after, id, "", controlJSON(id, typ, data))
	case SSECloudEvents:
		return sseControl(after, id, "", controlCloudEvent(id, typ, data))
	case WebSocketCloudEvents:
		return Text(controlCloudEvent(id, typ, data))
	default:
		return Text(controlJSON(id, typ, data))
	}
}

// IsWebSocket reports whether the format is one of WebSocket.
func (f Format) IsWebSocket() bool { return f >= WebSocket && f <= WebSocketCloudEvents }

func controlJSON(id, typ string, data []byte) []byte {
	dst := append(make([]byte, 0, len(id)+len(typ)+len(data)+32), '{')
	if id != "" {
		dst = append(AppendString(append(dst, `"id":`...), id), ',')
	}
	dst = AppendString(append(dst, `"type":`...), typ)
	if len(data) > 0 {
		dst = append(append(dst, `,"data":`...), data...)
	}
	return append(dst, '}')
}
