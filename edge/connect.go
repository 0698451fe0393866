package edge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"weft/edge/access"
	"weft/edge/auth"
	"weft/edge/httpd"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/edge/transport"
	"weft/jetstream/api"
)

// connect serves GET /_weft/v1/events.
func (e *Edge) connect(w http.ResponseWriter, r *http.Request) {
	read := httpd.ReceivedAt(w)
	t := e.transports.For(r)
	err := e.letIn(w, r, t, read)
	if err == nil || r.Context().Err() != nil { // let in, or gone meanwhile
		return
	}
	p := problem.Of(err)
	if p.Code == problem.Internal {
		e.blame.failed("let a client in", "transport", t.Name(), "err", err)
	}
	e.metrics.transports.Refused(t, p.Code)
	e.blame.refused(onPublic, r, p)
	t.Refuse(w, r, p)
}

// letIn finds out who asks for what, and lets them in; the request was read at read.
// Its errors are problems of clients who were not.
func (e *Edge) letIn(w http.ResponseWriter, r *http.Request, t transport.Transport, read time.Time) error {
	if err := transport.CheckUpgrade(w, r, t); err != nil {
		return err
	}
	q, err := transport.ParseQuery(r, e.takes.events)
	if err != nil {
		return err
	}
	if err := e.refuseUnready(); err != nil {
		return err
	}
	id, err := e.auth.Identify(r, q.User)
	if err != nil {
		return err
	}
	if err := session.Check(id, q.Subjects); err != nil {
		return err
	}
	if len(id.Subscribe)+len(q.Subjects) == 0 {
		return problem.New(problem.Forbidden, "there is nothing to follow: the token brings no subject and none is asked for")
	}
	address := e.guard.Address(r)
	from := guestOf(w, r)
	release, err := e.guard.Enter(from, address, id.User)
	if err != nil {
		return err
	}
	slot, err := e.admit(r.Context(), t, q, id)
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
	return t.Serve(w, &transport.ConnectRequest{R: r, Query: q, Identity: id, Release: release, Slot: slot, About: session.About{
		ID: session.NewID(), Node: e.deps.Node.Name(), Transport: t.Name(),
		Since: read.UTC(), Address: shown, Agent: r.UserAgent(),
	}})
}

// admit waits for a slot among those on their way, unless a poll goes on where
// its client is at home: that asks little of the store, and must not suffer from
// a storm of others.
func (e *Edge) admit(ctx context.Context, t transport.Transport, q transport.Query, id *auth.Identity) (*access.Slot, error) {
	if t.Name() == transport.Poll && q.LastID != "" && e.deps.Hub.Holds(id.Subscribe) && e.deps.Hub.Holds(q.Subjects) {
		return nil, nil
	}
	return e.admission.Enter(ctx)
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
