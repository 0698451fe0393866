package edge

import (
	"context"
	"encoding/json"
	"net/http"

	"weft/edge/problem"
	"weft/edge/session"
	"weft/edge/transport"
)

// maxChange bounds the body of a PATCH: names of subjects and a token.
const maxChange = 128 << 10

// change alters an open session as its client asks.
func (e *Edge) change(ctx context.Context, s *session.Session, c *transport.Change) ([]string, error) {
	made := session.Change{Subscribe: c.Subscribe, Unsubscribe: c.Unsubscribe, LastID: c.LastEventID}
	if c.Token != "" {
		if e.deps.Verifier.ModeNone() {
			return nil, problem.New(problem.BadRequest, "there are no tokens here")
		}
		id, err := e.auth.Verify(ctx, c.Token)
		if err != nil {
			return nil, err
		}
		made.Identity = id
	}
	return s.Apply(ctx, made, e.sessions.Rekey)
}

// find returns an open connection of this node by its id, nil when there is
// none.
func (e *Edge) find(id string) *session.Session {
	s := e.sessions.Registry().Get(id)
	if s == nil || s.About().Transport == transport.Poll {
		return nil // a poll is answered before it could be changed
	}
	return s
}

// patchConnection serves PATCH /_weft/v1/connections/<connection>.
func (e *Edge) patchConnection(w http.ResponseWriter, r *http.Request, connection string) error {
	query, err := e.takes.change.Read(r.URL.RawQuery)
	if err != nil {
		return err
	}
	caller, err := e.auth.Identify(r, query.Get("user"))
	if err != nil {
		return err
	}
	if caller.User != "" {
		guestOf(w, r).Welcome()
	}
	c, err := transport.ReadChange(http.MaxBytesReader(w, r.Body, maxChange))
	if err != nil {
		return problem.New(problem.BadRequest, "the body is no object with subscribe, unsubscribe, last_event_id or token")
	}
	if c.Empty() {
		return problem.New(problem.BadRequest, "the body asks for nothing")
	}
	subjects, err := e.changeAnywhere(r.Context(), &remoteChange{Connection: connection, User: []byte(caller.User), Change: c})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(map[string][]string{"subjects": subjects})
}
