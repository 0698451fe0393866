package edge

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"

	"weft/edge/access"
	"weft/edge/auth"
	"weft/edge/parameter"
	"weft/edge/problem"
	"weft/jetstream/event"
)

// Ingest takes events that come by HTTP or WebSocket and returns after they
// are stored. Of an error that wraps a *problem.Problem that is shown; every other one
// is "internal" without its text.
// Implementations are safe for concurrent use.
type Ingest interface {
	// Accept reads the events of a request. publisher is the token's user, or
	// the operators; may reports whether it may publish to a subject.
	Accept(ctx context.Context, r *http.Request, publisher event.Publisher, may func(subject string) bool) (ids []string, err error)
	// AcceptEvent takes one event.
	AcceptEvent(ctx context.Context, publisher event.Publisher, may func(subject string) bool, subject, typ string, data []byte) (id string, err error)
}

// A publisher hands events to the ingest.
type publisher struct {
	ingest Ingest
	auth   *access.Authenticator
	report *errorReporter
	takes  parameter.List
}

// serve serves POST /_weft/v1/events on the public listener.
func (p *publisher) serve(w http.ResponseWriter, r *http.Request) error {
	query, err := p.takes.Read(r.URL.RawQuery)
	if err != nil {
		return err
	}
	// In auth.mode none the sender is publisher=, because user= is also who an
	// event is for.
	id, err := p.auth.Identify(r, cmp.Or(query.Get("publisher"), query.Get("user")))
	if err != nil {
		return err
	}
	if id.User == "" {
		return problem.New(problem.TokenMissing, "publishing needs a token")
	}
	if !id.Publishes() { // its body need not be read
		return problem.New(problem.Forbidden, "the token does not allow to publish")
	}
	guestOf(w, r).Welcome()
	return p.accept(w, r, event.PublicUser(id.User), id.MayPublish)
}

// accept hands a request's events to the ingest and answers 202.
func (p *publisher) accept(w http.ResponseWriter, r *http.Request, publisher event.Publisher, may func(string) bool) error {
	ids, err := p.ingest.Accept(r.Context(), r, publisher, may)
	if err != nil {
		if problem.Of(err).Code == problem.Internal {
			p.report.failed("accept events", "err", err)
		}
		return err
	}
	body, err := json.Marshal(map[string][]string{"ids": ids})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write(append(body, '\n'))
	return nil
}

// event stores an event that the client of a connection sends.
func (p *publisher) event(ctx context.Context, id *auth.Identity, subject, typ string, data []byte) error {
	if id.User == "" {
		return problem.New(problem.TokenMissing, "publishing needs a token")
	}
	_, err := p.ingest.AcceptEvent(ctx, event.PublicUser(id.User), id.MayPublish, subject, typ, data)
	return err
}
