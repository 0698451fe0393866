package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
)

const (
	// askSubject begins the subjects of questions between nodes:
	// weft.ask.<question> for all, weft.ask.<question>.<node> for one. Nobody but
	// nodes may use them.
	askSubject = "weft.ask."
	// headerNode names who answers, headerRefused says why there is no answer.
	headerNode    = "Weft-Node"
	headerRefused = "Weft-Refused"
	// maxAnswer is the most bytes that a Handler may answer with.
	maxAnswer = MaxEventBytes
)

var (
	errQuestion = errors.New("nobody here answers this question")
	errBusy     = errors.New("too many questions at once")
	errAnswer   = fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
)

// A Handler answers a question with at most 1 MiB; what is longer has to be
// asked for in pages. It runs in a goroutine of its own, several at once. ctx
// ends when the node closes.
type Handler func(ctx context.Context, data []byte) []byte

// Handle lets h answer a question, a word of lower-case letters and _, that any
// node asks. At most inFlight of its calls run at once; beyond that a question
// of another node is refused, so that nothing queues. A later handler of the same
// question takes the place of the earlier one.
func (n *Node) Handle(question string, inFlight int, h Handler) {
	n.questions.mu.Lock()
	defer n.questions.mu.Unlock()
	n.questions.handlers[question] = &handler{serve: h, running: make(api.Semaphore, inFlight)}
}

type handler struct {
	serve   Handler
	running api.Semaphore
}

// questions answers what other nodes ask, on a connection of its own: neither
// delivery nor reads of the stream wait behind an answer.
type questions struct {
	node string
	log  *slog.Logger
	busy func() // counts a question that was refused

	mu       sync.Mutex
	handlers map[string]*handler
	conn     *nats.Conn // nil while closed
	replies  *api.Mux
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

func newQuestions(node string, log *slog.Logger, busy func()) *questions {
	return &questions{node: node, log: log, busy: busy, handlers: make(map[string]*handler)}
}

// openQuestions connects and subscribes. The node does not hear what it asks
// itself: it answers that without a detour.
func (n *Node) openQuestions() (err error) {
	q := n.questions
	conn, err := n.Connect("questions", nats.NoEcho())
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	replies, err := api.NewMux(conn)
	if err != nil {
		return err
	}
	q.mu.Lock()
	q.ctx, q.cancel = context.WithCancel(context.Background())
	q.conn, q.replies = conn, replies
	q.mu.Unlock()
	for _, s := range []string{askSubject + "*", askSubject + "*." + n.Token()} {
		if _, err := conn.Subscribe(s, q.receive); err != nil {
			return fmt.Errorf("subscribe to questions: %w", err)
		}
	}
	return nil
}

// close waits for the handlers that run.
func (q *questions) close() {
	q.mu.Lock()
	conn := q.conn
	q.conn = nil
	q.mu.Unlock()
	if conn == nil {
		return
	}
	q.cancel()
	q.running.Wait()
	conn.Close()
}

// link returns what questions are asked through, nil while the node is not open.
func (q *questions) link() (*nats.Conn, *api.Mux) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.conn, q.replies
}

// receive never waits for a handler.
func (q *questions) receive(m *nats.Msg) {
	question, _, _ := strings.Cut(strings.TrimPrefix(m.Subject, askSubject), ".")
	q.mu.Lock()
	conn, ctx := q.conn, q.ctx
	if conn == nil || m.Reply == "" {
		q.mu.Unlock()
		return
	}
	h, release, err := q.takeLocked(question)
	if err == nil {
		q.running.Go(func() {
			defer release()
			data, err := h.answer(ctx, m.Data)
			q.reply(conn, m, data, err)
		})
	}
	q.mu.Unlock()
	if err != nil {
		q.reply(conn, m, nil, err)
	}
}

func (q *questions) takeLocked(question string) (h *handler, release func(), err error) {
	if h = q.handlers[question]; h == nil {
		return nil, nil, errQuestion
	}
	release, ok := h.running.TryAcquire()
	if !ok {
		q.busy()
		return nil, nil, errBusy
	}
	return h, release, nil
}

func (h *handler) answer(ctx context.Context, data []byte) ([]byte, error) {
	out := h.serve(ctx, data)
	if len(out) > maxAnswer {
		return nil, errAnswer
	}
	return out, nil
}

// answer answers a question of this node itself, which waits for its turn.
func (q *questions) answer(ctx context.Context, question string, data []byte) ([]byte, error) {
	q.mu.Lock()
	h := q.handlers[question]
	q.mu.Unlock()
	if h == nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, errQuestion)
	}
	release, err := h.running.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, errBusy)
	}
	defer release()
	if data, err = h.answer(ctx, data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	return data, nil
}

func (q *questions) reply(conn *nats.Conn, m *nats.Msg, data []byte, refused error) {
	out := &nats.Msg{Subject: m.Reply, Data: data, Header: nats.Header{headerNode: {q.node}}}
	if refused != nil {
		out.Header.Set(headerRefused, refused.Error())
	}
	if err := conn.PublishMsg(out); err != nil {
		q.log.Debug("answer a question", "subject", m.Subject, "err", err)
	}
}
