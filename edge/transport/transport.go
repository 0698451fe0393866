// Package transport has the protocols in which a connection is told its events:
// Server-Sent Events, WebSocket and long polling.
//
// A transport takes a ConnectRequest whose sender is known, opens a session with an
// outbox of its own, follows the subjects, and writes what the outbox holds until the
// session ends with a cause, which it spells in its protocol's words. It knows the node
// by Params alone.
//
// A connection that package httpd can detach is polled: it costs no goroutine while it
// lasts (polledconn.go, polledsocket.go); a long poll of httpd's is deferred
// (longpoll.go). Elsewhere each has a goroutine, and a WebSocket two.
//
// To add a transport, implement Transport in a file of its own and name it in makers.
// What stays open is best made after sse.go, what answers and ends after longpoll.go.
package transport

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"

	"weft/edge/access"
	"weft/edge/auth"
	"weft/edge/parameter"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/edge/wire"
	"weft/jetstream/feed"
)

// Params are what transports need of the node. All are needed; the functions may be
// called concurrently.
type Params struct {
	Sessions *session.Sessions
	Metrics  *Metrics
	Log      *slog.Logger
	// Serving ends when the node closes.
	Serving context.Context

	// Follow attaches a receiver to subjects.
	Follow func(ctx context.Context, subjects []string, start feed.Start, r feed.Receiver) (*feed.Reader, error)
	// Watch tells of presence.
	Watch session.Watch
	// Change alters an open session as its client asks.
	Change func(ctx context.Context, s *session.Session, c *Change) (subjects []string, err error)
	// Publish stores an event that a client sends, and returns its id.
	Publish func(ctx context.Context, id *auth.Identity, subject, typ string, data []byte) (event string, err error)

	// QueueBytes bounds what waits for one connection.
	QueueBytes int
	// Keepalive is the time between two keep-alives.
	Keepalive time.Duration
	// WriteTimeout is how long a client may take nothing.
	WriteTimeout time.Duration
	// Takes are the parameters of a request, Parameters and those of the node.
	Takes parameter.List
}

// makers make all transports, in the order in which they are asked; the last one takes
// all.
var makers = []struct {
	name string
	make func(p *Params, shared *wire.Keepalives) Transport
}{
	{WebSocket, newWebSocket},
	{SSE, newSSE},
	{Poll, newPoll},
}

// A Transport speaks one protocol on the events URL.
type Transport interface {
	// Name is that in metrics and in the admin API.
	Name() string
	// Speaks reports whether the request asks for this transport.
	Speaks(r *http.Request) bool
	// Refuse answers a client that is not let in.
	Refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem)
	// Serve lets a client in. It returns when the connection is over, or costs
	// no goroutine any more. After an error nothing was answered, and the client is
	// to be refused.
	Serve(w http.ResponseWriter, c *ConnectRequest) error
}

// A List is all transports of a node.
type List []Transport

// New makes them.
func New(p Params) List {
	var list List
	shared := &wire.Keepalives{}
	for _, m := range makers {
		list = append(list, m.make(&p, shared))
	}
	return list
}

// For is the transport that a request asks for.
func (l List) For(r *http.Request) Transport {
	for _, t := range l[:len(l)-1] {
		if t.Speaks(r) {
			return t
		}
	}
	return l[len(l)-1]
}

// A ConnectRequest is a request for events whose sender is known.
type ConnectRequest struct {
	R        *http.Request
	Query    Query
	Identity *auth.Identity
	About    session.About
	// Release gives back what the limits counted.
	Release func()
	// Slot is the admission's; it is given back when the client's position is known.
	Slot *access.Slot
}

// open opens the session of a request, which gives back what the limits counted when it
// is closed, or when it cannot be opened. alive may be nil.
func (p *Params) open(c *ConnectRequest, out session.Outbox, m *counters, alive func() bool) (*session.Session, error) {
	return p.Sessions.Open(session.Config{
		About: c.About, Identity: c.Identity, Asked: c.Query.Subjects, Filter: c.Query.filter,
		Outbox: out, Delivered: m.delivered, Alive: alive, Release: c.Release,
	})
}

// spellings are those of all shapes on one transport.
type spellings [wire.Shapes]*session.Spelling

func newSpellings(p *Params, shared *wire.Keepalives, format func(wire.Shape) wire.Format, closing func(wire.Format, session.Cause, string) []byte) (all spellings) {
	for shape := range wire.Shapes {
		f := format(shape)
		all[shape] = &session.Spelling{
			Format: f, Limit: p.QueueBytes, Keepalives: shared, Keepalive: p.Keepalive,
			Closing: func(c session.Cause, detail string) []byte { return closing(f, c, detail) },
		}
	}
	return all
}

// lost is the cause of a failed write: who took nothing for too long was slow,
// everybody else has gone.
func lost(err error) session.Cause {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return session.Slow
	}
	return session.Left
}
