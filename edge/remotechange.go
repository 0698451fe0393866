package edge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"weft/edge/problem"
	"weft/edge/session"
	"weft/edge/transport"
	"weft/jetstream/rpc"
)

// Methods by which nodes call each other on behalf of a client.
const (
	methodHolds  = "holds"  // has this node the connection
	methodChange = "change" // change the connection
	// methodModern is methodChange for what a node of an earlier version would read as
	// something less. It has no such method, and so does no half of it.
	methodModern = "change2"
)

// How many of these calls a node answers at once. A change may have to wait
// for the store.
const (
	holdsInFlight  = 256
	changeInFlight = 256
)

// maxConnection bounds the id of a connection that other nodes are asked for; ours
// are shorter.
const maxConnection = 64

// travelTime is how much longer than a change itself its answer is waited for.
const travelTime = time.Second

// A remoteChange is a change of a connection on another node.
//
// A new token travels as its client sent it, and the node that has the
// connection verifies it: with its own keys, its own clock and its own blacklist
// at the moment when the token comes into force. What an identity grants has no
// form outside a process. If it had, a node of another version could read it as
// more or less than the token grants, and the one place where grants are made,
// auth, would no longer be the only one. The token goes to that one node alone,
// over a link between nodes, which carries all events as well and has
// certificates wherever others could listen. It is not logged or stored.
//
// User is whose token the caller has shown; the node that was asked has verified
// that.
type remoteChange struct {
	Connection string           `json:"connection"`
	User       []byte           `json:"user"`
	Change     transport.Change `json:"change"`
}

// A changed is what came of it: the subjects in force, or a problem.
type changed struct {
	Subjects []string       `json:"subjects"`
	Problem  *remoteProblem `json:"problem,omitempty"`
}

// A remoteProblem is a problem on its way to another node.
type remoteProblem struct {
	Status     int           `json:"status"`
	Code       problem.Code  `json:"code"`
	Detail     string        `json:"detail"`
	RetryAfter time.Duration `json:"retry_after,omitempty"` // nanoseconds
}

// problem is what the client is told.
func (r *remoteProblem) problem() *problem.Problem {
	p := problem.New(r.Code, r.Detail)
	if p.Code == r.Code && r.Status >= http.StatusBadRequest {
		p.Status = r.Status
	}
	return p.Retry(r.RetryAfter)
}

// answerNodes lets this node answer for its connections when another is asked.
func (c *changer) answerNodes() {
	rpc.HandleJSON(c.nodes, methodHolds, holdsInFlight, func(_ context.Context, id string) bool { return c.find(id) != nil })
	change := func(ctx context.Context, r remoteChange) changed {
		subjects, err := c.changeHere(ctx, &r)
		if err == nil {
			return changed{Subjects: subjects}
		}
		p := problem.Of(err)
		if p.Code == problem.Internal {
			c.log.Error("change a connection for another node", "conn", r.Connection, "err", err)
		}
		return changed{Problem: &remoteProblem{p.Status, p.Code, p.Detail, p.RetryAfter}}
	}
	rpc.HandleJSON(c.nodes, methodChange, changeInFlight, change)
	rpc.HandleJSON(c.nodes, methodModern, changeInFlight, change)
}

// changeHere changes a connection of this node. Whoever was asked, all checks are
// made here.
func (c *changer) changeHere(ctx context.Context, r *remoteChange) ([]string, error) {
	s := c.find(r.Connection)
	if s == nil {
		return nil, noConnection()
	}
	if s.Identity().User != string(r.User) {
		return nil, problem.New(problem.UserMismatch, "the connection is of another user")
	}
	ctx, cancel := context.WithTimeout(ctx, transport.CommandTime)
	defer cancel()
	subjects, err := c.change(ctx, s, &r.Change)
	session.EndAfter(s, err)
	return subjects, err
}

// changeAnywhere changes a connection on whichever node has it. That there is no
// such connection is said only when every node has said so.
func (c *changer) changeAnywhere(ctx context.Context, r *remoteChange) ([]string, error) {
	if c.find(r.Connection) != nil {
		return c.changeHere(ctx, r)
	}
	if len(r.Connection) > maxConnection {
		return nil, noConnection()
	}
	said, coverage, err := rpc.CallUntilJSON(ctx, c.nodes, methodHolds, r.Connection, func(has bool) bool { return has })
	switch {
	case err != nil:
		return nil, err
	case len(said) > 0 && said[len(said)-1].Answer:
		return c.changeThere(ctx, said[len(said)-1].Node, r)
	case coverage.Complete:
		return nil, noConnection()
	}
	return nil, problem.New(problem.NotReady, "no node that answers has the connection, but not all of them answer; try again").RetrySoon()
}

func methodOf(c *transport.Change) string {
	if c.Modern() {
		return methodModern
	}
	return methodChange
}

// changeThere lets another node change its connection.
func (c *changer) changeThere(ctx context.Context, name string, r *remoteChange) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, transport.CommandTime+travelTime)
	defer cancel()
	out, err := rpc.CallJSON[changed](ctx, c.nodes, name, methodOf(&r.Change), r)
	switch {
	case errors.Is(err, rpc.ErrUnreachable):
		return nil, problem.New(problem.NotReady, "the node that has the connection does not take the change now, or is of an earlier version; try again").RetrySoon()
	case err != nil:
		return nil, problem.New(problem.UpstreamTimeout, "the node that has the connection did not answer in time; it is unknown whether the change is in force: try again")
	case out.Problem != nil:
		return nil, out.Problem.problem()
	}
	return out.Subjects, nil
}

func noConnection() error { return problem.New(problem.NotFound, "there is no such connection") }
