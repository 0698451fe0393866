package edge

import (
	"context"
	"net/http"
	"time"

	"weft/edge/access"
	"weft/edge/auth"
	"weft/edge/httpd"
	"weft/edge/parameter"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/edge/transport"
)

// A connector lets clients in that ask for events.
type connector struct {
	node       string
	transports transport.List
	metrics    *transport.Metrics
	report     *errorReporter
	ready      *readiness
	auth       *access.Authenticator
	may        session.MayFollow
	guard      *access.Guard
	admission  *access.Admission
	takes      parameter.List
	// atHome reports whether the node holds all that somebody follows.
	atHome func(subjects []string) bool
}

// serve serves GET /_weft/v1/events.
func (c *connector) serve(w http.ResponseWriter, r *http.Request) {
	read := httpd.ReceivedAt(w)
	t := c.transports.For(r)
	err := c.letIn(w, r, t, read)
	if err == nil || r.Context().Err() != nil { // let in, or gone meanwhile
		return
	}
	p := problem.Of(err)
	if p.Code == problem.Internal {
		c.report.failed("let a client in", "transport", t.Name(), "err", err)
	}
	c.metrics.Refused(t, p.Code)
	c.report.refused(onPublic, r, p)
	t.Refuse(w, r, p)
}

// letIn finds out who asks for what, and lets them in; the request was read at read.
// Its errors are problems of clients who were not.
func (c *connector) letIn(w http.ResponseWriter, r *http.Request, t transport.Transport, read time.Time) error {
	if err := transport.CheckUpgrade(w, r, t); err != nil {
		return err
	}
	q, err := transport.ParseQuery(r, c.takes)
	if err != nil {
		return err
	}
	if err := c.ready.refuse(); err != nil {
		return err
	}
	id, err := c.auth.Identify(r, q.User)
	if err != nil {
		return err
	}
	if len(id.Subscribe)+len(q.Subjects) == 0 {
		return problem.New(problem.Forbidden, "there is nothing to follow: the token brings no subject and none is asked for")
	}
	address := c.guard.Address(r)
	from := guestOf(w, r)
	release, err := c.guard.Enter(from, address, id.User)
	if err != nil {
		return err
	}
	// Only who counts among the connections has somebody asked about subjects.
	if err := c.check(r.Context(), id, q.Subjects); err != nil {
		release()
		return err
	}
	slot, err := c.admit(r.Context(), t, q, id)
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
		ID: session.NewID(), Node: c.node, Transport: t.Name(),
		Since: read.UTC(), Address: shown, Agent: r.UserAgent(), Device: q.Device,
	}})
}

// check finds out whether somebody may follow what they ask for, in as much time as a
// change may take.
func (c *connector) check(ctx context.Context, id *auth.Identity, subjects []string) error {
	if len(subjects) == 0 {
		return session.Check(ctx, id, nil, c.may)
	}
	ctx, cancel := context.WithTimeout(ctx, transport.CommandTime)
	defer cancel()
	return session.Check(ctx, id, subjects, c.may)
}

// admit waits for a slot among those on their way, unless a poll goes on where
// its client is at home: that asks little of the store, and must not suffer from
// a storm of others.
func (c *connector) admit(ctx context.Context, t transport.Transport, q transport.Query, id *auth.Identity) (*access.Slot, error) {
	if t.Name() == transport.Poll && q.LastID != "" && c.atHome(id.Subscribe) && c.atHome(session.Events(q.Subjects)) {
		return nil, nil
	}
	return c.admission.Enter(ctx)
}
