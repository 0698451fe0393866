package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"weft/edge/problem"
	"weft/edge/session"
	"weft/jetstream/rpc"
)

// maxConnection bounds the id of a connection that other nodes are asked for; ours are
// shorter.
const maxConnection = 64

// What is sought are connections: one by its id, or all of a token or a user.
type sought struct {
	Connection string `json:"connection,omitempty"`
	Session    string `json:"session,omitempty"`
	User       []byte `json:"user,omitempty"`
}

// A find is how many connections a node has of what is sought, and whose the one is that
// was sought by its id.
type find struct {
	Connections int    `json:"connections"`
	User        []byte `json:"user,omitempty"`
	Session     string `json:"session,omitempty"`
}

func (c *connections) findHere(_ context.Context, q sought) (f find) {
	switch {
	case q.Connection != "":
		if s := c.sessions.Get(q.Connection); s != nil && !s.Ended() {
			id := s.Identity()
			f = find{1, []byte(id.User), id.Session}
		}
	case q.Session != "":
		f.Connections = len(c.sessions.OfToken(q.Session))
	default:
		f.Connections = len(c.sessions.OfUser(string(q.User)))
	}
	return f
}

// count sums what the nodes have, as far as they answer.
func (c *connections) count(ctx context.Context, q sought) (n int, err error) {
	said, _, err := rpc.CallAllJSON[find](ctx, c.nodes, methodFind, q)
	for _, s := range said {
		n += s.Answer.Connections
	}
	return n, err
}

// hold finds the node that has a connection, and whose it is. That there is no such
// connection is said only when every node has said so.
func (c *connections) hold(ctx context.Context, id string) (node string, f find, err error) {
	if len(id) > maxConnection {
		return "", f, noConnection()
	}
	said, coverage, err := rpc.CallUntilJSON(ctx, c.nodes, methodFind, sought{Connection: id}, func(f find) bool { return f.Connections > 0 })
	switch {
	case err != nil:
		return "", f, err
	case len(said) > 0 && said[len(said)-1].Answer.Connections > 0:
		last := said[len(said)-1]
		return last.Node, last.Answer, nil
	case coverage.Complete:
		return "", f, noConnection()
	}
	return "", f, problem.New(problem.NotReady, "no node that answers has the connection, but not all of them answer; try again").RetrySoon()
}

func noConnection() error { return problem.New(problem.NotFound, "there is no such connection") }

// An ending ends one connection. Session, when it is there, is the token that was
// revoked: a connection that has got another one meanwhile goes on.
type ending struct {
	Connection string `json:"connection"`
	Session    string `json:"session,omitempty"`
	verdict
}

// An ended is what came of it. Session is the token of a connection that goes on.
type ended struct {
	Ended   bool   `json:"ended"`
	Session string `json:"session,omitempty"`
}

func (e *ender) endHere(ctx context.Context, d ending) ended {
	s := e.sessions.Get(d.Connection)
	if s == nil {
		return ended{}
	}
	id := s.Identity()
	if d.Revoked && id.Session != d.Session && !s.Ended() {
		return ended{Session: id.Session}
	}
	open := !s.Ended()
	d.await(ctx, []*session.Session{s})
	if !d.end(s) && !(open && d.Revoked) {
		return ended{}
	}
	e.log.Info("connection ended by an operator", "conn", d.Connection, "user", id.User, "reason", d.Reason)
	return ended{Ended: true}
}

const (
	// endTime bounds the answer of the node that has the connection.
	endTime = 2 * time.Second
	// maxTokens is how many tokens of one connection are revoked, when it gets new ones
	// as fast as they are.
	maxTokens = 4
)

// connectionEnded is what came of ending a connection.
type connectionEnded struct {
	disconnected
	Node    string `json:"node"`
	User    string `json:"user,omitempty"`
	Session string `json:"session,omitempty"`
	Revoked bool   `json:"revoked"`
}

// endConnection ends one connection, and with revoke=true, before that, its token: what
// else is open with that token ends then, too.
func (e *ender) endConnection(w http.ResponseWriter, r *request) error {
	v, err := verdictOf(r.query)
	if err != nil {
		return err
	}
	node, found, err := e.hold(r.Context(), r.name)
	if err != nil {
		return err
	}
	done := connectionEnded{disconnected{1}, node, string(found.User), found.Session, v.Revoked}
	if !v.Revoked {
		out, err := e.endThere(r.Context(), node, ending{Connection: r.name, verdict: v})
		switch {
		case err != nil:
			return err
		case !out.Ended:
			return noConnection()
		}
		return answer(w, http.StatusOK, done)
	}
	for range maxTokens {
		if done.Session == "" {
			return problem.New(problem.Conflict, "the connection has no token that could be revoked; nothing was ended")
		}
		n, err := e.count(r.Context(), sought{Session: done.Session})
		if err != nil {
			return err
		}
		if err := e.revoke(r.Context(), done.Session, v); err != nil {
			return err
		}
		e.log.Info("session revoked by an operator", "conn", r.name, "user", done.User, "reason", v.Reason)
		done.Disconnected = max(1, n)
		out, err := e.endThere(r.Context(), node, ending{r.name, done.Session, v})
		switch {
		case err != nil:
			p := problem.Of(err)
			p.Detail = "the token was revoked, but " + p.Detail
			return p
		case out.Session == "":
			return answer(w, http.StatusOK, done)
		}
		done.Session = out.Session
	}
	return problem.New(problem.Conflict, "the connection gets new tokens as fast as they are revoked; revoke its user")
}

// endThere lets the node that has a connection end it.
func (e *ender) endThere(ctx context.Context, node string, d ending) (ended, error) {
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	out, err := rpc.CallJSON[ended](ctx, e.nodes, node, methodEnd, d)
	switch {
	case err == nil:
		return out, nil
	case errors.Is(err, rpc.ErrUnreachable):
		return out, problem.New(problem.NotReady, "the node that has the connection does not take the call now; try again").RetrySoon()
	}
	return out, problem.New(problem.UpstreamTimeout, "the node that has the connection did not answer in time; it is unknown whether the connection has ended: try again")
}
