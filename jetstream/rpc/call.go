package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/subject"
)

// askTime is how long the answers to a question are waited for. They come from
// memory and take less than a millisecond; a node that has just died is noticed
// by it later than this.
const askTime = 250 * time.Millisecond

var (
	// ErrUnreachable is returned by AskNode when the node was not reached or
	// did not take the question: nothing was done.
	ErrUnreachable = errors.New("the node cannot be reached")
	// ErrNoAnswer is returned by AskNode when no answer came in time: it is
	// unknown whether anything was done.
	ErrNoAnswer = errors.New("the node does not answer")
)

// A Tally says how much of the cluster an answer stands for.
type Tally struct {
	Answered int `json:"nodes_answered"`
	Expected int `json:"nodes_expected"` // this node and those it is linked to
	Known    int `json:"nodes_known"`    // the members of the cluster
	// Complete is true when every member has answered. One that cannot be
	// reached may still have clients of its own.
	Complete bool `json:"complete"`
}

// Miss takes nodes out of the tally whose answers were not whole.
func (t *Tally) Miss(nodes int) {
	t.Answered -= nodes
	t.Complete = false
}

// An Answer is what one node says.
type Answer struct {
	Node string
	Data []byte
}

// Answers are those of all nodes that gave one, this node's first.
type Answers struct {
	List  []Answer
	Tally Tally
}

// Ask puts a question to all nodes of the cluster, this one included, and
// gathers what they say within 250 ms. A node that does not answer is missing
// from the tally; there is no error.
func (n *Node) Ask(ctx context.Context, question string, data []byte) Answers {
	return n.AskUntil(ctx, question, data, func(Answer) bool { return false })
}

// AskUntil asks as Ask does, but waits for no more once an answer is enough;
// it is the last of the list then. The tally is of those that came until then.
func (n *Node) AskUntil(ctx context.Context, question string, data []byte, enough func(Answer) bool) Answers {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	g := gathering{waiting: n.srv.peers(), enough: enough}
	g.Tally = Tally{Expected: 1 + len(g.waiting), Known: n.known()}
	var answers <-chan *nats.Msg
	if conn, replies := n.questions.link(); conn != nil && len(g.waiting) > 0 {
		reply, ch, done := replies.Expect(2 * len(g.waiting))
		defer done()
		if conn.PublishRequest(askSubject+question, reply, data) == nil {
			answers = ch
		}
	}
	if own, err := n.questions.answer(ctx, question, data); err == nil {
		g.take(Answer{n.Name(), own})
	}
	if answers != nil {
		g.run(ctx, answers)
	}
	return g.finish(n.metrics)
}

// A gathering is a question on its way.
type gathering struct {
	Answers
	waiting []string // the nodes that have not answered
	enough  func(Answer) bool
	done    bool
}

func (g *gathering) take(a Answer) {
	g.List = append(g.List, a)
	g.done = g.enough(a)
}

// run takes answers until all that are waited for have given one, or refused
// to.
func (g *gathering) run(ctx context.Context, answers <-chan *nats.Msg) {
	for len(g.waiting) > 0 && !g.done {
		select {
		case <-ctx.Done():
			return
		case m := <-answers:
			name := first(m.Header, headerNode)
			g.waiting = slices.DeleteFunc(g.waiting, func(w string) bool { return w == name })
			if first(m.Header, headerRefused) == "" &&
				!slices.ContainsFunc(g.List, func(have Answer) bool { return have.Node == name }) {
				g.take(Answer{name, m.Data})
			}
		}
	}
}

func (g *gathering) finish(m *metrics) Answers {
	t := &g.Tally
	t.Answered = len(g.List)
	t.Expected = max(t.Expected, t.Answered)
	t.Known = max(t.Known, t.Expected)
	if t.Complete = t.Answered == t.Known; !t.Complete && !g.done {
		m.incomplete.Inc()
	}
	return g.Answers
}

// AskNode puts a question to one node, which may be this one, and waits for the
// answer until ctx ends. Errors: ErrUnreachable, ErrNoAnswer.
func (n *Node) AskNode(ctx context.Context, name, question string, data []byte) ([]byte, error) {
	if name == n.Name() {
		return n.questions.answer(ctx, question, data)
	}
	conn, _ := n.questions.link()
	token, err := subject.Escape(name)
	if err != nil || conn == nil {
		return nil, ErrUnreachable
	}
	m, err := conn.RequestWithContext(ctx, askSubject+question+"."+token, data)
	switch {
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrReconnectBufExceeded):
		return nil, fmt.Errorf("ask %s: %w", name, ErrUnreachable)
	case err != nil:
		return nil, fmt.Errorf("ask %s: %w: %w", name, ErrNoAnswer, err)
	}
	switch refused := first(m.Header, headerRefused); refused {
	case "":
		return m.Data, nil
	case errAnswer.Error():
		return nil, fmt.Errorf("ask %s: %w: %s", name, ErrNoAnswer, refused)
	default:
		return nil, fmt.Errorf("ask %s: %w: %s", name, ErrUnreachable, refused)
	}
}

// known is how many members the cluster has.
func (n *Node) known() int {
	if n.cfg.Cluster == nil {
		return 1
	}
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	return max(n.members.known, n.cfg.Cluster.Size)
}
