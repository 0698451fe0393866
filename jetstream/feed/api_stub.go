// Package feed delivers stored events to the connections of a node.
package feed

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream"
)

// Message is one stored event as delivered. Immutable, shared by all connections of the node.
type Message struct {
	Subject string
	Type    string // "" for none
	Data    []byte
	Seq     uint64
	// ... frame cache
}

// ID is the cursor of a client whose only subject is the message's; computed once.
func (m *Message) ID() string { panic("stub") }

// Frame returns the encoding of m in one of Formats (0 ≤ format < 8) wire formats, made once per node by encode.
// The frame must not depend on the connection. Concurrency-safe.
func (m *Message) Frame(format int, encode func(*Message) []byte) []byte { panic("stub") }

// Reset tells that history is gone. Reason: trimmed, recreated, unknown.
type Reset struct {
	Subjects []string `json:"subjects"`
	Reason   string   `json:"reason"`
}

// Opened says how a connection begins.
type Opened struct {
	ID       string   // cursor: the client's own when it resumes, else the head
	Resume   string   // new, exact, reset
	Subjects []string // in force
}

// Receiver is what a connection gives to a Reader. All methods but Room are called one at a time, with the
// Reader's lock held: they must not block and must not call the Reader.
type Receiver interface {
	// Opened is called once, first (a Subscribe later does not call it again).
	Opened(o Opened)
	// Reset comes in band, at its place between events. id is the new head.
	Reset(r Reset, id string)
	// Event hands over one event. id == "" means m.ID() (then m's shared frame with the id in it may be used), else
	// the connection has a composite cursor and id is it.
	Event(m *Message, id string)
	// Keepalive is called from Reader.Keepalive. id is the moved cursor; "" when it must not be moved.
	Keepalive(id string)
	// CaughtUp is called when all replays are done: everything stored when Follow began has been handed over.
	CaughtUp()
	// Room blocks until the connection's queue has room for more replay, or ctx ends. Called without locks.
	Room(ctx context.Context) error
}

// Config of the hub.
type Config struct {
	MaxPerSubject int
}

// Hub holds the feeds of one node.
type Hub struct{}

func New(cfg Config, node *jetstream.Node, log *slog.Logger, reg prometheus.Registerer) *Hub {
	panic("stub")
}
func (h *Hub) Open(ctx context.Context) error { panic("stub") }
func (h *Hub) Run(ctx context.Context) error  { panic("stub") }
func (h *Hub) Close() error                   { panic("stub") }

// Ready is nil when ticks are fresh and a safe floor is known.
func (h *Hub) Ready() error { panic("stub") }

// Follow attaches rcv to subjects (exact or wildcard; each checked by the caller), resuming from lastID ("" is new; anything
// unreadable is a reset, never an error). It returns once rcv.Opened was called; replay goes on in the background.
// It retries while the store does not answer, until ctx ends. ctx bounds only Follow itself.
func (h *Hub) Follow(ctx context.Context, subjects []string, lastID string, rcv Receiver) (*Reader, error) {
	panic("stub")
}

// Reader is one connection's set of subjects. Methods may be called concurrently.
type Reader struct{}

// Subscribe adds subjects, from lastID when it is not "", else from now. It returns once they are in force.
func (r *Reader) Subscribe(ctx context.Context, subjects []string, lastID string) error {
	panic("stub")
}
func (r *Reader) Unsubscribe(subjects []string) { panic("stub") }
func (r *Reader) Subjects() []string            { panic("stub") }

// Keepalive calls rcv.Keepalive in order with the events.
func (r *Reader) Keepalive() { panic("stub") }

// Cursor is what the client would hold if all handed over had reached it.
func (r *Reader) Cursor() string { panic("stub") }
func (r *Reader) Close()         { panic("stub") }
