package wire

import (
	"slices"
	"sync/atomic"
)

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
	if last == nil || last.id != id || f.isCloudEvents() { // which has an id that it does not share
		frame := f.Control(id, TypeKeepalive, nil)
		last = &keepalive{id: id, frame: frame, asks: slices.Concat(frame, Ping())}
		k.last[f].Store(last)
	}
	if ask {
		return last.asks
	}
	return last.frame
}

func (f Format) isCloudEvents() bool { return f == SSECloudEvents || f == WebSocketCloudEvents }
