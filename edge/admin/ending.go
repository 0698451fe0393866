package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"weft/edge/openapi"
	"weft/edge/parameter"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/jetstream/blacklist"
	"weft/jetstream/rpc"
	"weft/jetstream/subject"
)

// An ender ends connections for operators, on any node.
type ender struct {
	*connections
	blacklist *blacklistEntries
}

// table lists the endpoints that end connections.
func (e *ender) table() []endpoint {
	takes := parameter.Once("reason", "reconnect", "revoke")
	means := func(slot string, p openapi.Param) params {
		return params{slot: p,
			"reason":    {Schema: openapi.Schema{"type": "string", "maxLength": session.MaxDetail}, Means: "what the clients are told, in UTF-8 without control characters"},
			"reconnect": openapi.Flag("the clients are to come back at once").Standard(false),
			"revoke":    openapi.Flag("before anything ends, the user, or the token of the connection, is put on the blacklist; not with `reconnect`").Standard(false)}
	}
	return []endpoint{
		{method: "DELETE", path: "users/{user}/connections", takes: takes, serve: e.disconnectUser, says: openapi.Operation{
			ID: "disconnectUser", Does: "Ends the connections of a user on all nodes.", Means: means("user", userSlot),
			Answers: ok("how many were ended", userDisconnected{}), Fails: []problem.Code{problem.StoreUnavailable}}},
		{method: "DELETE", path: "connections/{connection}", takes: takes, serve: e.endConnection, says: openapi.Operation{
			ID: "endConnection", Does: "Ends one connection, on whichever node it is.", Means: means("connection", openapi.String("the connection, as `weft.open` names it")),
			Answers: ok("it has ended", connectionEnded{}),
			Fails:   []problem.Code{problem.NotFound, problem.Conflict, problem.NotReady, problem.StoreUnavailable, problem.UpstreamTimeout}}},
	}
}

// A verdict is how connections end.
type verdict struct {
	Reconnect bool   `json:"reconnect"`         // their clients are to come back
	Reason    string `json:"reason,omitempty"`  // what they are told; session.Sayable
	Revoked   bool   `json:"revoked,omitempty"` // their tokens are on the blacklist
}

// verdictOf reads what an operator asks for.
func verdictOf(q url.Values) (v verdict, err error) {
	for name, to := range map[string]*bool{"reconnect": &v.Reconnect, "revoke": &v.Revoked} {
		switch q.Get(name) {
		case "", "false":
		case "true":
			*to = true
		default:
			return v, problem.New(problem.BadRequest, name+" is neither true nor false")
		}
	}
	switch v.Reason = q.Get("reason"); {
	case v.Revoked && v.Reconnect:
		return v, problem.New(problem.BadRequest, "revoke and reconnect contradict each other: with a revoked token nobody comes back")
	case !session.Sayable(v.Reason):
		return v, problem.New(problem.BadRequest, fmt.Sprintf("reason is not a text of at most %d bytes (UTF-8) without control characters", session.MaxDetail))
	}
	return v, nil
}

// end ends a session by the verdict, which may have come from another node.
func (v verdict) end(s *session.Session) bool {
	cause := session.Disconnected
	switch {
	case v.Revoked:
		cause = session.Revoked
	case v.Reconnect:
		cause = session.Dismissed
	}
	if !session.Sayable(v.Reason) {
		v.Reason = ""
	}
	return s.EndFor(cause, v.Reason)
}

// hearTime bounds how long a node waits to hear itself of an entry of the blacklist that
// is stored.
const hearTime = 100 * time.Millisecond

// await waits until the node has heard that the tokens are revoked, which ends the
// sessions: whoever is told and comes back at once is not let in. Tokens that the entry
// does not cut, since they were issued by a clock that is ahead, are not waited for long.
func (v verdict) await(ctx context.Context, open []*session.Session) {
	if !v.Revoked {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, hearTime)
	defer cancel()
	for _, s := range open {
		heard, done := s.Within(ctx)
		<-heard.Done()
		done()
	}
}

// revoke puts a name on the blacklist, with the reason. Nothing must have been ended
// before: who comes back at once is not to find the door open.
func (e *ender) revoke(ctx context.Context, name string, v verdict) error {
	err := e.blacklist.list.Put(ctx, name, blacklist.Because(v.Reason), 0)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, subject.ErrToken):
		return problem.New(problem.BadRequest, "the name cannot be on the blacklist: it has no byte, or more than 200; nothing was ended")
	}
	e.log.Warn("revoke before connections end", "err", err)
	return problem.New(problem.StoreUnavailable,
		"the store does not answer; nothing was ended, and it is unknown whether the entry of the blacklist was stored: try again").RetrySoon()
}

// A disconnection ends a user's connections. A node of a version that knows no reasons
// ends them without one.
type disconnection struct {
	User []byte `json:"user"`
	verdict
}

// disconnected counts those that were ended.
type disconnected struct {
	Disconnected int `json:"disconnected"`
}

func (e *ender) disconnectHere(ctx context.Context, d disconnection) (done disconnected) {
	open := slices.DeleteFunc(e.sessions.OfUser(string(d.User)), (*session.Session).Ended)
	d.await(ctx, open)
	for _, s := range open {
		if d.end(s) || d.Revoked {
			done.Disconnected++
		}
	}
	if done.Disconnected > 0 {
		e.log.Info("connections of a user ended by an operator", "user", string(d.User), "connections", done.Disconnected, "reason", d.Reason)
	}
	return done
}

// userDisconnected is what came of ending a user's connections.
type userDisconnected struct {
	disconnected
	Revoked bool `json:"revoked"`
	rpc.Coverage
}

// disconnectUser ends a user's connections on all nodes, and with revoke=true, before
// that, all of the user's tokens that were issued until now. Those whose nodes do not
// answer end as these hear of the entry.
func (e *ender) disconnectUser(w http.ResponseWriter, r *request) error {
	v, err := verdictOf(r.query)
	if err != nil {
		return err
	}
	had := 0
	if v.Revoked {
		// The nodes cut them as soon as they hear of the entry, and count none then.
		if had, err = e.count(r.Context(), sought{User: []byte(r.name)}); err != nil {
			return err
		}
		if err := e.revoke(r.Context(), "user."+r.name, v); err != nil {
			return err
		}
		e.log.Info("user revoked by an operator", "user", r.name, "reason", v.Reason)
	}
	said, coverage, err := rpc.CallAllJSON[disconnected](r.Context(), e.nodes, methodDisconnect, disconnection{[]byte(r.name), v})
	if err != nil {
		return err
	}
	var done disconnected
	for _, s := range said {
		done.Disconnected += s.Answer.Disconnected
	}
	done.Disconnected = max(done.Disconnected, had)
	return answer(w, http.StatusOK, userDisconnected{done, v.Revoked, coverage})
}
