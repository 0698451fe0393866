package edge

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"

	"weft/edge/access"
	"weft/edge/auth"
	"weft/edge/parameter"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/edge/transport"
	"weft/jetstream/rpc"
)

// maxChange bounds the body of a PATCH: names of subjects and a token.
const maxChange = 128 << 10

// A changer changes open connections, on whichever node they are.
type changer struct {
	sessions *session.Sessions
	auth     *access.Authenticator
	may      session.MayFollow
	watch    session.Watch
	nodes    *rpc.RPC
	log      *slog.Logger
	takes    parameter.List
}

// change alters an open session as its client asks.
func (c *changer) change(ctx context.Context, s *session.Session, asked *transport.Change) ([]string, error) {
	if err := asked.Check(); err != nil {
		return nil, err
	}
	var id *auth.Identity
	if asked.Token != "" {
		if c.auth.Verifier.ModeNone() {
			return nil, problem.New(problem.BadRequest, "there are no tokens here")
		}
		var err error
		if id, err = c.auth.Verify(ctx, asked.Token); err != nil {
			return nil, err
		}
	}
	return s.Apply(ctx, asked.Session(id), session.Rules{Rekey: c.sessions.Rekey, MayFollow: c.may, Watch: c.watch})
}

// find returns an open connection of this node by its id, nil when there is
// none.
func (c *changer) find(id string) *session.Session {
	s := c.sessions.Registry().Get(id)
	if s == nil || s.About().Transport == transport.Poll {
		return nil // a poll is answered before it could be changed
	}
	return s
}

// caller is who changes a connection. Nobody does without a token where there are any,
// for a connection that began without one has no owner.
func (c *changer) caller(r *http.Request, user string) (*auth.Identity, error) {
	if !c.auth.Verifier.ModeNone() {
		switch token, err := c.auth.Token(r); {
		case err != nil:
			return nil, err
		case token == "":
			return nil, problem.New(problem.TokenMissing, "a token is needed to change a connection")
		}
	}
	return c.auth.Identify(r, user)
}

// serve serves PATCH /_weft/v1/connections/<connection>.
func (c *changer) serve(w http.ResponseWriter, r *http.Request, connection string) error {
	query, err := c.takes.Read(r.URL.RawQuery)
	if err != nil {
		return err
	}
	caller, err := c.caller(r, query.Get("user"))
	if err != nil {
		return err
	}
	if caller.User != "" {
		guestOf(w, r).Welcome()
	}
	asked, err := transport.ReadChange(http.MaxBytesReader(w, r.Body, maxChange))
	if err != nil {
		return problem.New(problem.BadRequest, "the body is no object with subscribe, unsubscribe, set, last_event_id or token")
	}
	if asked.Empty() {
		return problem.New(problem.BadRequest, "the body asks for nothing")
	}
	subjects, err := c.changeAnywhere(r.Context(), &remoteChange{Connection: connection, User: []byte(caller.User), Change: asked})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(following{listed(subjects)})
}

// following is what a PATCH is answered: what the connection follows from then on.
type following struct {
	Subjects []string `json:"subjects"`
}
