// Package rpc is how the nodes of a cluster call each other: a method, a word of
// lower-case letters and _, is called on one node or on all, and answered from memory
// by a Handler. Calls of all gather what comes within 250 ms and say how much of the
// cluster that is: a node that does not answer is no error, but missing from the
// Coverage.
//
// Calls run on a connection of their own, so that neither delivery nor reads of the
// stream wait behind an answer. What is in JSON is called by the functions of this
// package: a field that one side does not know is left out by the other, so that nodes
// of two versions understand each other.
package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/api"
	"weft/jetstream/subject"
)

const (
	// callSubject begins the subjects of calls between nodes: weft.ask.<method> for
	// all, weft.ask.<method>.<node> for one. Nobody but nodes may use them.
	callSubject = "weft.ask."
	// headerNode names who answers, headerRefused says why there is no answer.
	headerNode    = "Weft-Node"
	headerRefused = "Weft-Refused"
	// MaxReply is the most bytes that a Handler may answer with.
	MaxReply = 1 << 20
)

var (
	errMethod = errors.New("nobody here answers this question")
	errBusy   = errors.New("too many questions at once")
	errLong   = fmt.Errorf("the answer is longer than %d bytes", MaxReply)
)

// A Handler answers a call with at most 1 MiB; what is longer has to be called for
// in pages. It runs in a goroutine of its own, several at once. ctx ends when the
// node closes.
type Handler func(ctx context.Context, data []byte) []byte

// Params are what RPC needs to know of its node.
type Params struct {
	Node string // its name
	Log  *slog.Logger
	// Peers are the names of the nodes that this one is linked to.
	Peers func() []string
	// Members is how many nodes the cluster has, this one included.
	Members func() int
}

// RPC calls other nodes and answers them. Its methods may be called concurrently,
// also before Open: a node answers itself without a detour.
type RPC struct {
	p          Params
	incomplete prometheus.Counter
	busy       prometheus.Counter

	mu       sync.Mutex
	handlers map[string]*handler
	conn     *nats.Conn // nil while closed
	mux      *api.Mux
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

type handler struct {
	serve   Handler
	running api.Semaphore
}

// New makes an RPC without handlers.
func New(p Params, reg prometheus.Registerer) *RPC {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "weft_jetstream_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	return &RPC{p: p, handlers: make(map[string]*handler),
		incomplete: counter("asks_incomplete_total", "Questions to the nodes that not every member of the cluster answered."),
		busy:       counter("asks_refused_total", "Questions of nodes that were refused because too many came at once.")}
}

// Handle lets h answer a method that any node calls. At most inFlight of its calls
// run at once; beyond that a call of another node is refused, so that nothing
// queues. A later handler of the same method takes the place of the earlier one.
func (r *RPC) Handle(method string, inFlight int, h Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handlers[method] = &handler{serve: h, running: make(api.Semaphore, inFlight)}
}

// Open subscribes on a connection, which must not hear what it publishes itself
// (nats.NoEcho), and which Close closes.
func (r *RPC) Open(conn *nats.Conn) error {
	mux, err := api.NewMux(conn)
	if err != nil {
		return err
	}
	token, err := subject.Escape(r.p.Node)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.conn, r.mux = conn, mux
	r.mu.Unlock()
	for _, s := range []string{callSubject + "*", callSubject + "*." + token} {
		if _, err := conn.Subscribe(s, r.receive); err != nil {
			return fmt.Errorf("subscribe to calls: %w", err)
		}
	}
	return nil
}

// Close waits for the handlers that run.
func (r *RPC) Close() {
	r.mu.Lock()
	conn := r.conn
	r.conn = nil
	r.mu.Unlock()
	if conn == nil {
		return
	}
	r.cancel()
	r.running.Wait()
	conn.Close()
}

// link returns what calls go through, nil while it is not open.
func (r *RPC) link() (*nats.Conn, *api.Mux) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conn, r.mux
}

// receive never waits for a handler.
func (r *RPC) receive(m *nats.Msg) {
	method, _, _ := strings.Cut(strings.TrimPrefix(m.Subject, callSubject), ".")
	r.mu.Lock()
	conn, ctx := r.conn, r.ctx
	if conn == nil || m.Reply == "" {
		r.mu.Unlock()
		return
	}
	h, release, err := r.acquireLocked(method)
	if err == nil {
		r.running.Go(func() {
			defer release()
			data, err := h.answer(ctx, m.Data)
			r.reply(conn, m, data, err)
		})
	}
	r.mu.Unlock()
	if err != nil {
		r.reply(conn, m, nil, err)
	}
}

func (r *RPC) acquireLocked(method string) (h *handler, release func(), err error) {
	if h = r.handlers[method]; h == nil {
		return nil, nil, errMethod
	}
	release, ok := h.running.TryAcquire()
	if !ok {
		r.busy.Inc()
		return nil, nil, errBusy
	}
	return h, release, nil
}

func (h *handler) answer(ctx context.Context, data []byte) ([]byte, error) {
	out := h.serve(ctx, data)
	if len(out) > MaxReply {
		return nil, errLong
	}
	return out, nil
}

// callSelf answers a call of this node itself, which waits for its turn.
func (r *RPC) callSelf(ctx context.Context, method string, data []byte) ([]byte, error) {
	r.mu.Lock()
	h := r.handlers[method]
	r.mu.Unlock()
	if h == nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, errMethod)
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

func (r *RPC) reply(conn *nats.Conn, m *nats.Msg, data []byte, refused error) {
	out := &nats.Msg{Subject: m.Reply, Data: data, Header: nats.Header{headerNode: {r.p.Node}}}
	if refused != nil {
		out.Header.Set(headerRefused, refused.Error())
	}
	if err := conn.PublishMsg(out); err != nil {
		r.p.Log.Debug("answer a call", "subject", m.Subject, "err", err)
	}
}
