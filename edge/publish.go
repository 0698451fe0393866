package edge

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"

	"weft/edge/access"
	"weft/edge/auth"
	"weft/edge/auth/check"
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
	may    *check.Checker
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
	if !id.Publishes() && !p.may.Asks(id.User) { // its body need not be read
		return problem.New(problem.Forbidden, "the token does not allow to publish")
	}
	guestOf(w, r).Welcome()
	asked := p.ask(r.Context(), id)
	return asked.refusal(p.accept(w, r, event.PublicUser(id.User), asked.mayPublish))
}

// accepted is what who publishes is answered: an id for each subject.
type accepted struct {
	IDs []string `json:"ids"`
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
	body, err := json.Marshal(accepted{listed(ids)})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write(append(body, '\n'))
	return nil
}

// event stores an event that the client of a connection sends, and returns its id.
func (p *publisher) event(ctx context.Context, id *auth.Identity, subject, typ string, data []byte) (string, error) {
	if id.User == "" {
		return "", problem.New(problem.TokenMissing, "publishing needs a token")
	}
	asked := p.ask(ctx, id)
	stored, err := p.ingest.AcceptEvent(ctx, event.PublicUser(id.User), asked.mayPublish, subject, typ, data)
	return stored, asked.refusal(err)
}

// A publication is what was found out about the subjects of events that come together.
// It is for one goroutine.
type publication struct {
	ask  func(subject string) error
	said map[string]error
	why  error // of the last subject that was refused
}

func (p *publisher) ask(ctx context.Context, id *auth.Identity) *publication {
	return &publication{ask: func(subject string) error { return p.may.MayPublish(ctx, id, subject) }}
}

// mayPublish asks about each subject once, whatever becomes of the answer meanwhile.
func (p *publication) mayPublish(subject string) bool {
	why, ok := p.said[subject]
	if !ok {
		if why = p.ask(subject); p.said == nil {
			p.said = map[string]error{}
		}
		p.said[subject] = why
	}
	if why != nil {
		p.why = why
	}
	return why == nil
}

// refusal is why the events were not taken: that nobody could be asked passes by waiting,
// which the ingest cannot know.
func (p *publication) refusal(err error) error {
	if err != nil && p.why != nil && problem.Of(err).Code == problem.Forbidden {
		return p.why
	}
	return err
}
