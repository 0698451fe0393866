package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/subject"
)

// callTime is how long the replies to a call of all are waited for. They come from
// memory and take less than a millisecond; a node that has just died is noticed
// by it later than this.
const callTime = 250 * time.Millisecond

var (
	// ErrUnreachable is returned by Call when the node was not reached or
	// did not take the call: nothing was done.
	ErrUnreachable = errors.New("the node cannot be reached")
	// ErrNoAnswer is returned by Call when no answer came in time: it is
	// unknown whether anything was done.
	ErrNoAnswer = errors.New("the node does not answer")
)

// A Coverage says how much of the cluster an answer stands for.
type Coverage struct {
	Answered int `json:"nodes_answered"`
	Expected int `json:"nodes_expected"` // this node and those it is linked to
	Known    int `json:"nodes_known"`    // the members of the cluster
	// Complete is true when every member has answered. One that cannot be
	// reached may still have clients of its own.
	Complete bool `json:"complete"`
}

// Miss takes nodes out of the coverage whose answers were not whole.
func (t *Coverage) Miss(nodes int) {
	t.Answered -= nodes
	t.Complete = false
}

// A Reply is what one node says.
type Reply struct {
	Node string
	Data []byte
}

// Replies are those of all nodes that gave one, this node's first.
type Replies struct {
	List     []Reply
	Coverage Coverage
}

// CallAll calls a method of all nodes of the cluster, this one included, and
// gathers what they say within 250 ms. A node that does not answer is missing
// from the coverage; there is no error.
func (r *RPC) CallAll(ctx context.Context, method string, data []byte) Replies {
	return r.CallUntil(ctx, method, data, func(Reply) bool { return false })
}

// CallUntil calls as CallAll does, but waits for no more once a reply is enough;
// it is the last of the list then. The coverage is of those that came until then.
func (r *RPC) CallUntil(ctx context.Context, method string, data []byte, enough func(Reply) bool) Replies {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	g := gathering{waiting: r.p.Peers(), enough: enough}
	g.Coverage = Coverage{Expected: 1 + len(g.waiting), Known: r.p.Members()}
	var answers <-chan *nats.Msg
	if conn, mux := r.link(); conn != nil && len(g.waiting) > 0 {
		reply, ch, done := mux.Expect(2 * len(g.waiting))
		defer done()
		if conn.PublishRequest(callSubject+method, reply, data) == nil {
			answers = ch
		}
	}
	if own, err := r.callSelf(ctx, method, data); err == nil {
		g.add(Reply{r.p.Node, own})
	}
	if answers != nil {
		g.run(ctx, answers)
	}
	return r.finish(&g)
}

// A gathering is a call of all nodes on its way.
type gathering struct {
	Replies
	waiting []string // the nodes that have not answered
	enough  func(Reply) bool
	done    bool
}

func (g *gathering) add(a Reply) {
	g.List = append(g.List, a)
	g.done = g.enough(a)
}

// run gathers replies until all that are waited for have given one, or refused
// to.
func (g *gathering) run(ctx context.Context, answers <-chan *nats.Msg) {
	for len(g.waiting) > 0 && !g.done {
		select {
		case <-ctx.Done():
			return
		case m := <-answers:
			name := m.Header.Get(headerNode)
			g.waiting = slices.DeleteFunc(g.waiting, func(w string) bool { return w == name })
			if m.Header.Get(headerRefused) == "" &&
				!slices.ContainsFunc(g.List, func(have Reply) bool { return have.Node == name }) {
				g.add(Reply{name, m.Data})
			}
		}
	}
}

func (r *RPC) finish(g *gathering) Replies {
	t := &g.Coverage
	t.Answered = len(g.List)
	t.Expected = max(t.Expected, t.Answered)
	t.Known = max(t.Known, t.Expected)
	if t.Complete = t.Answered == t.Known; !t.Complete && !g.done {
		r.incomplete.Inc()
	}
	return g.Replies
}

// Call calls a method of one node, which may be this one, and waits for the
// reply until ctx ends. Errors: ErrUnreachable, ErrNoAnswer.
func (r *RPC) Call(ctx context.Context, node, method string, data []byte) ([]byte, error) {
	if node == r.p.Node {
		return r.callSelf(ctx, method, data)
	}
	conn, _ := r.link()
	token, err := subject.Escape(node)
	if err != nil || conn == nil {
		return nil, ErrUnreachable
	}
	m, err := conn.RequestWithContext(ctx, callSubject+method+"."+token, data)
	switch {
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrReconnectBufExceeded):
		return nil, fmt.Errorf("call %s: %w", node, ErrUnreachable)
	case err != nil:
		return nil, fmt.Errorf("call %s: %w: %w", node, ErrNoAnswer, err)
	}
	switch refused := m.Header.Get(headerRefused); refused {
	case "":
		return m.Data, nil
	case errLong.Error():
		return nil, fmt.Errorf("call %s: %w: %s", node, ErrNoAnswer, refused)
	default:
		return nil, fmt.Errorf("call %s: %w: %s", node, ErrUnreachable, refused)
	}
}
