// Package wire spells what a connection is told: events and Weft's own frames,
// as Server-Sent Events (WHATWG HTML, section 9.2) and as JSON frames for
// WebSocket (RFC 6455) and long poll.
//
// An event is encoded once per node and format and the bytes are shared by all
// connections. A connection with one subject is sent the shared bytes as they
// are; one with a composite cursor is sent a short head of its own, which holds
// its id, before the shared rest.
package wire

import (
	"slices"
	"sync/atomic"

	"weft/jetstream/feed"
)

// A Format is a wire format.
type Format uint8

// The formats. Their values index the frames that a feed.Message keeps.
const (
	// SSE has the payload as data when that is possible, else the JSON frame.
	SSE Format = iota
	// SSEFrame has the JSON frame as data, always.
	SSEFrame
	// WebSocket has each JSON frame in an unmasked text message.
	WebSocket
	formats
)

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

// Event spells one event: head is the connection's own and may be nil, rest is
// shared and must not be changed. id is "" when it is m.ID().
func (f Format) Event(m *feed.Message, id string) (head, rest []byte) {
	if f == WebSocket {
		return webSocketEvent(m, id)
	}
	return sseEvent(f, m, id)
}

// Control spells a frame of Weft's own. id may be "", and data, which is JSON,
// may be nil.
func (f Format) Control(id, typ string, data []byte) []byte {
	switch f {
	case WebSocket:
		return Text(controlJSON(id, typ, data))
	case SSEFrame:
		return sseControl(id, typ, controlJSON(id, typ, data))
	default:
		return sseControl(id, typ, data)
	}
}

// Keepalives makes keep-alive frames and shares each among all connections that
// are due at about the same time. The zero value is ready; safe for concurrent
// use.
type Keepalives struct {
	last [formats]atomic.Pointer[keepalive]
}

type keepalive struct {
	id    string
	frame []byte
	asks  []byte // the frame and a ping
}

// Frame returns the keep-alive in format f that moves the cursor to id, or
// leaves it where it is when id is "". With ask, which is for WebSocket, a ping
// follows it.
func (k *Keepalives) Frame(f Format, id string, ask bool) []byte {
	last := k.last[f].Load()
	if last == nil || last.id != id {
		frame := f.Control(id, TypeKeepalive, nil)
		last = &keepalive{id: id, frame: frame, asks: slices.Concat(frame, Ping())}
		k.last[f].Store(last)
	}
	if ask {
		return last.asks
	}
	return last.frame
}

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
