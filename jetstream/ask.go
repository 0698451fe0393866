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
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	waiting := n.srv.peers()
	a := Answers{Tally: Tally{Expected: 1 + len(waiting), Known: n.known()}}
	if conn, replies := n.questions.link(); conn != nil && len(waiting) > 0 {
		reply, answers, done := replies.expect(2 * len(waiting))
		defer done()
		if conn.PublishRequest(askSubject+question, reply, data) == nil {
			a.askSelf(ctx, n, question, data)
			a.gather(ctx, answers, waiting)
			return a.finish(n)
		}
	}
	a.askSelf(ctx, n, question, data)
	return a.finish(n)
}

func (a *Answers) askSelf(ctx context.Context, n *Node, question string, data []byte) {
	if own, err := n.questions.answer(ctx, question, data); err == nil {
		a.List = append(a.List, Answer{n.Name(), own})
	}
}

// gather takes answers until all that are waited for have given one, or
// refused to.
func (a *Answers) gather(ctx context.Context, answers <-chan *nats.Msg, waiting []string) {
	for len(waiting) > 0 {
		select {
		case <-ctx.Done():
			return
		case m := <-answers:
			name := first(m.Header, headerNode)
			if m.Header.Get(headerRefused) == "" &&
				!slices.ContainsFunc(a.List, func(have Answer) bool { return have.Node == name }) {
				a.List = append(a.List, Answer{name, m.Data})
			}
			waiting = slices.DeleteFunc(waiting, func(w string) bool { return w == name })
		}
	}
}

func (a Answers) finish(n *Node) Answers {
	t := &a.Tally
	t.Answered = len(a.List)
	t.Expected = max(t.Expected, t.Answered)
	t.Known = max(t.Known, t.Expected)
	if t.Complete = t.Answered == t.Known; !t.Complete {
		n.metrics.incomplete.Inc()
	}
	return a
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
	case m.Header.Get(headerRefused) != "":
		return nil, fmt.Errorf("ask %s: %w: %s", name, ErrUnreachable, m.Header.Get(headerRefused))
	}
	return m.Data, nil
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
