package edge

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"weft/edge/access"
	"weft/edge/auth"
	"weft/edge/httpd"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/jetstream/api"
)

// followTime bounds how long a connection waits for the store to say where it
// begins; beyond it the client is told not_ready.
const followTime = 20 * time.Second

// events serves GET /_weft/v1/events.
func (e *Edge) events(w http.ResponseWriter, r *http.Request) {
	read := httpd.ReceivedAt(w)
	var t transport
	for _, t = range e.list {
		if t.speaks(r) {
			break
		}
	}
	err := e.visit(w, r, t, read)
	if err == nil || r.Context().Err() != nil { // let in, or gone meanwhile
		return
	}
	p := problem.Of(err)
	if p.Code == problem.Internal {
		e.blame.failed("let a client in", "transport", t.name(), "err", err)
	}
	e.metrics.refusals.WithLabelValues(t.name(), string(p.Code)).Inc()
	e.blame.refused(onPublic, r, p)
	t.refuse(w, r, p)
}

// visit finds out who asks for what, and lets them in; the request was read at
// read. Its errors are problems of visitors who were not.
func (e *Edge) visit(w http.ResponseWriter, r *http.Request, t transport, read time.Time) error {
	if t.name() != nameWebSocket && r.Header.Get("Sec-Websocket-Key") != "" {
		return upgradeLost(w, r)
	}
	q, err := parseQuery(r, e.takes.events)
	if err != nil {
		return err
	}
	if err := e.refuseUnready(); err != nil {
		return err
	}
	id, err := e.auth.Identify(r, q.user)
	if err != nil {
		return err
	}
	if err := session.Check(id, q.subjects); err != nil {
		return err
	}
	if len(id.Subscribe)+len(q.subjects) == 0 {
		return problem.New(problem.Forbidden, "there is nothing to follow: the token brings no subject and none is asked for")
	}
	address := e.guard.Address(r)
	from := guestOf(w, r)
	release, err := e.guard.Enter(from, address, id.User)
	if err != nil {
		return err
	}
	slot, err := e.admit(r, t, q, id)
	if err != nil {
		release()
		return err
	}
	defer slot.Release()
	from.Welcome()
	shown := ""
	if address.IsValid() {
		shown = address.String()
	}
	return t.serve(w, &visit{r: r, query: q, id: id, release: release, slot: slot, about: session.About{
		ID: session.NewID(), Node: e.deps.Node.Name(), Transport: t.name(),
		Since: read.UTC(), Address: shown, Agent: r.UserAgent(),
	}})
}

// admit waits for a slot among those on their way, unless a poll goes on where
// its client is at home: that asks little of the store, and must not suffer from
// a storm of others.
func (e *Edge) admit(r *http.Request, t transport, q query, id *auth.Identity) (*access.Slot, error) {
	if t.name() == namePoll && q.lastID != "" && e.deps.Hub.Holds(id.Subscribe) && e.deps.Hub.Holds(q.subjects) {
		return nil, nil
	}
	return e.admission.Enter(r.Context())
}

// refuseDraining refuses everybody while the node drains.
func (e *Edge) refuseDraining() error {
	if e.draining.Load() {
		return problem.New(problem.Draining, "the node is about to stop; come back to another").RetrySoon()
	}
	return nil
}

// refuseUnready refuses everybody while the node takes no new connections.
func (e *Edge) refuseUnready() error {
	if err := e.refuseDraining(); err != nil {
		return err
	}
	if err := e.Ready(); err != nil {
		if errors.Is(err, api.ErrIsolated) {
			return problem.New(problem.NotReady, session.Isolated.Ending().Detail).RetrySoon()
		}
		return problem.New(problem.NotReady, "the node is not ready; come back later").RetrySoon()
	}
	return nil
}

// follow attaches a session to its subjects. It blocks until the client's place
// is known, the session ends or the store stays away for too long. When that
// takes a moment late is called.
func (e *Edge) follow(v *visit, s *session.Session, late func()) error {
	defer v.slot.Release()
	ctx, cancel := context.WithCancel(v.r.Context())
	defer s.AtEnd(cancel)()
	defer wait(late, cancel).stop()
	reader, err := e.deps.Hub.Follow(ctx, s.Wanted(), v.query.lastID, s)
	if err != nil {
		return err
	}
	s.Attach(reader)
	return nil
}

// A patience waits in two steps, with one timer: most connections are in their
// places before the first is over.
type patience struct {
	late   func() // called after headWait
	cancel func() // called followTime later
	mu     sync.Mutex
	timer  *time.Timer
	over   bool
}

func wait(late, cancel func()) *patience {
	p := &patience{late: late, cancel: cancel}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(headWait, p.lost)
	return p
}

func (p *patience) lost() {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.over:
	case p.late != nil:
		p.late()
		p.late = nil
		p.timer.Reset(followTime)
	default:
		p.cancel()
	}
}

// stop ends the wait, at whatever step. What the timer holds is free at once.
func (p *patience) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.timer.Stop()
}
