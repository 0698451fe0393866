package session

import (
	"context"
	"encoding/json"

	"weft/edge/wire"
	"weft/jetstream/feed"
)

// A receiver is a session as the feed sees it. A Reader calls its methods one at a time.
type receiver Session

// Receiver is to whom the Reader of the session delivers.
func (s *Session) Receiver() feed.Receiver { return (*receiver)(s) }

// Opened implements feed.Receiver.
func (r *receiver) Opened(o feed.Opened) { r.out.Opened((*Session)(r), o) }

// Reset implements feed.Receiver.
func (r *receiver) Reset(reset feed.Reset, id string) {
	data, _ := json.Marshal(reset)
	(*Session)(r).Control(wire.TypeReset, id, data)
}

// Event implements feed.Receiver.
func (r *receiver) Event(m *feed.Message, id string) {
	if !r.filters.Load().wants(m) {
		r.out.Skipped(m, id)
		return
	}
	if !r.out.Event(m, id) {
		(*Session)(r).End(Slow)
		return
	}
	r.delivered()
}

// Keepalive implements feed.Receiver.
func (r *receiver) Keepalive(id string) { r.out.Keepalive(id) }

// CaughtUp implements feed.Receiver.
func (r *receiver) CaughtUp() { r.out.CaughtUp() }

// Room implements feed.Receiver.
func (r *receiver) Room(ctx context.Context) error { return r.out.Room(ctx) }

// Owner implements feed.Receiver. Visitors without a user have one share together.
func (r *receiver) Owner() string { return (*Session)(r).Identity().User }
