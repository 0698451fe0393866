package edge

import (
	"errors"
	"net/http"
	"os"

	"weft/edge/access"
	"weft/edge/auth"
	"weft/edge/problem"
	"weft/edge/session"
)

// Names of the transports, in metrics and in the admin API.
const (
	nameSSE       = "sse"
	nameWebSocket = "websocket"
	namePoll      = "poll"
)

// A transport speaks one protocol on the events URL.
type transport interface {
	name() string
	// speaks reports whether the request asks for this transport.
	speaks(r *http.Request) bool
	// refuse answers a visitor who is not let in.
	refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem)
	// serve lets a visitor in. It returns when the connection is over, or costs
	// no goroutine any more. After an error nothing was answered, and the visitor is
	// refused.
	serve(w http.ResponseWriter, v *visit) error
}

// transports in the order in which they are asked; the last one takes all.
func (e *Edge) transports() []transport {
	return []transport{
		newWebSocket(e),
		newSSE(e),
		&poll{e, e.metrics.transports[namePoll]},
	}
}

// A visit is a request for events whose sender is known.
type visit struct {
	r     *http.Request
	query query
	id    *auth.Identity
	about session.About
	// release gives back what the limits counted.
	release func()
	slot    *access.Slot // of the admission
}

// open opens the visit's session, which gives back what the limits counted when it is
// closed, or when it cannot be opened. alive may be nil.
func (v *visit) open(e *Edge, out session.Outbox, m *transportMetrics, alive func() bool) (*session.Session, error) {
	return e.sessions.Open(session.Config{
		About: v.about, Identity: v.id, Asked: v.query.subjects, Filter: v.query.filter,
		Outbox: out, Delivered: m.delivered, Alive: alive, Release: v.release,
	})
}

// causes maps the problems that are also endings.
var causes = map[problem.Code]session.Cause{
	problem.TokenExpired: session.Expired,
	problem.TokenRevoked: session.Revoked,
	problem.Limit:        session.Limit,
	problem.Draining:     session.Draining,
	problem.NotReady:     session.NotReady,
}

// passes reports whether a problem passes by waiting, and how it is spelt.
func passes(p *problem.Problem) (session.Cause, bool) {
	c, ok := causes[p.Code]
	return c, ok && p.Code != problem.TokenExpired && p.Code != problem.TokenRevoked
}

// lost is the cause of a failed write: who took nothing for too long was slow,
// everybody else has gone.
func lost(err error) session.Cause {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return session.Slow
	}
	return session.Left
}
