// Package check asks a back end of the user's own who may see what, and publish where, when
// no template of the configuration says so.
//
// A question is a POST of {"user","session","claims","subject","action"}, with the action
// subscribe or publish. 200 allows, 403 refuses; anything else, a redirect included, refuses
// for now: it is logged, counted, and the client is told to come back.
//
// What it promises:
//
//   - Fail closed: whoever cannot be asked about is refused.
//   - It is asked when somebody wants a subject, never for an event. An answer counts for a
//     while for this token and this subject (cache.go), whether it was yes or no. A token
//     with other claims is asked about anew, so a refreshed one is.
//   - Questions alike are asked once. So many are with the back end at a time, of one user a
//     quarter of them, and each is over in time.
//   - A back end that does not answer is left alone for a while (circuit.go): nobody waits
//     for it then.
//   - Wildcards are never asked about: a back end that says yes to one subject would not
//     expect to have opened all. Only templates allow them.
//   - Nobody is asked about a visitor without a token, unless it was configured.
package check

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/auth"
	"weft/edge/problem"
	"weft/jetstream/ratelog"
	"weft/jetstream/subject"
)

// An Action is what somebody wants to do with a subject.
type Action string

// The actions.
const (
	Subscribe Action = "subscribe"
	Publish   Action = "publish"
)

const (
	// maxQuestions bounds those that are asked or wait for their turn.
	maxQuestions = 4096
	// comeBack is when a client may try again whose question found no answer.
	comeBack = 2 * time.Second
)

// A Checker decides about subjects: by the token, and else by the back end, if there is
// one. Its methods may be called concurrently.
type Checker struct {
	cfg     auth.CheckConfig
	client  http.RoundTripper
	log     *slog.Logger
	limited *ratelog.Log
	metrics *metrics
	now     func() time.Time
	turns   *turns
	seed    [32]byte // nobody can work out keys of the cache

	serving context.Context
	cancel  context.CancelFunc
	asking  sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	cache   *cache
	flights map[key]*flight
	circuit circuit
}

// A flight is a question on its way, for all who have it.
type flight struct {
	done chan struct{}
	err  error // after done
}

// New makes a Checker, which asks nobody when cfg names no URL. client must not follow
// redirects; reg may be nil. The configuration must have passed its check.
func New(cfg auth.CheckConfig, client http.RoundTripper, log *slog.Logger, reg prometheus.Registerer) (*Checker, error) {
	c := &Checker{
		cfg: cfg, client: client, log: log, limited: ratelog.New(log, time.Now), now: time.Now,
		turns: newTurns(cfg.MaxInFlight), cache: newCache(maxCached), flights: map[key]*flight{},
	}
	_, _ = rand.Read(c.seed[:])
	c.serving, c.cancel = context.WithCancel(context.Background())
	var err error
	c.metrics, err = newMetrics(reg)
	return c, err
}

// Close ends all questions; who waits for an answer is refused. It may be called twice.
func (c *Checker) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.asking.Wait()
	if kept, ok := c.client.(interface{ CloseIdleConnections() }); ok {
		kept.CloseIdleConnections()
	}
	return nil
}

// Asks reports whether a back end is asked about somebody; "" is a visitor without a token.
func (c *Checker) Asks(user string) bool {
	return c.cfg.URL != "" && (user != "" || c.cfg.Anonymous)
}

// MayFollow says, with a problem, why an identity may not follow a subject, a wildcard or
// the presence of one; nil: it may. It blocks until the back end has answered, for twice
// the configured time at most, or ctx ends.
func (c *Checker) MayFollow(ctx context.Context, id *auth.Identity, sub string) error {
	if id.MayFollow(sub) {
		return nil
	}
	of := sub
	if followed, ok := subject.Followed(sub); ok {
		of = followed
	}
	if subject.Check(of) != nil || !c.Asks(id.User) {
		return problem.New(problem.Forbidden, "the token does not allow one of the subjects")
	}
	return c.ask(ctx, id, Subscribe, sub)
}

// MayPublish says, with a problem, why an identity may not publish to a subject; nil: it
// may. It blocks as MayFollow does.
func (c *Checker) MayPublish(ctx context.Context, id *auth.Identity, sub string) error {
	if id.MayPublish(sub) {
		return nil
	}
	if subject.Check(sub) != nil || id.User == "" || !c.Asks(id.User) {
		return problem.New(problem.Forbidden, "the token does not allow to publish there")
	}
	return c.ask(ctx, id, Publish, sub)
}

// ask finds the answer to a question, or has it asked.
func (c *Checker) ask(ctx context.Context, id *auth.Identity, action Action, sub string) error {
	if !utf8.ValidString(id.User) || !utf8.ValidString(id.Session) {
		return refused(action) // JSON would make one user of several
	}
	q := newQuestion(id, action, sub)
	k := q.key(&c.seed)
	f, err := c.join(k, q)
	if f == nil {
		return err
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return away("whoever decides about the subject has not answered in time; try again")
	}
}

// join returns the flight of a question, which it begins unless there is one. Without one
// err is the answer.
func (c *Checker) join(k key, q *question) (f *flight, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if allowed, ok := c.cache.get(k, now); ok {
		c.metrics.cached.Inc()
		return nil, answered(allowed, q.Action)
	}
	if f := c.flights[k]; f != nil {
		return f, nil
	}
	if wait, open := c.circuit.open(now); open {
		c.metrics.unasked.WithLabelValues(unaskedCircuit).Inc()
		return nil, away(notAnswering).Retry(max(wait, comeBack))
	}
	if len(c.flights) >= maxQuestions || c.closed {
		c.metrics.unasked.WithLabelValues(unaskedFull).Inc()
		return nil, away("too many subjects are being asked about; try again")
	}
	f = &flight{done: make(chan struct{})}
	c.flights[k] = f
	c.asking.Go(func() { c.fly(f, k, q) })
	return f, nil
}

const notAnswering = "whoever decides about the subject cannot be asked now; try again"

// fly asks a question in its turn and tells all who wait.
func (c *Checker) fly(f *flight, k key, q *question) {
	said := c.inTurn(q)
	c.mu.Lock()
	defer c.mu.Unlock()
	if said.known() && c.cfg.Cache > 0 {
		c.cache.put(k, said == allows, c.now().Add(c.cfg.Cache))
	}
	delete(c.flights, k)
	switch {
	case said.known():
		f.err = answered(said == allows, q.Action)
	default:
		f.err = away(notAnswering)
	}
	close(f.done)
}

// inTurn waits for the question's turn and asks it.
func (c *Checker) inTurn(q *question) verdict {
	ctx, cancel := context.WithTimeout(c.serving, c.cfg.Timeout)
	over, err := c.turns.take(ctx, q.User)
	cancel()
	if err != nil {
		c.metrics.unasked.WithLabelValues(unaskedFull).Inc()
		return unknown
	}
	defer over()
	c.mu.Lock()
	open := !c.circuit.enter(c.now())
	c.mu.Unlock()
	if open { // while it waited for its turn
		c.metrics.unasked.WithLabelValues(unaskedCircuit).Inc()
		return unknown
	}
	said, why := c.post(q)
	c.heard(said, why)
	return said
}

// heard notes what the back end said, or why it did not.
func (c *Checker) heard(said verdict, why error) {
	if c.serving.Err() != nil {
		return // the node closes, which says nothing about the back end
	}
	c.mu.Lock()
	opened, closed := c.circuit.heard(said != silent, c.now())
	c.mu.Unlock()
	c.metrics.asked.WithLabelValues(string(said)).Inc()
	switch {
	case opened:
		c.log.Warn("auth.check does not answer; what it would decide is refused until it does", "err", why)
	case closed:
		c.log.Info("auth.check answers again")
	}
	if !said.known() {
		c.limited.Warn(string(said), "ask auth.check about a subject: refused", "err", why)
	}
}

// answered is what the client is told of an answer.
func answered(allowed bool, action Action) error {
	if allowed {
		return nil
	}
	return refused(action)
}

func refused(action Action) error {
	if action == Publish {
		return problem.New(problem.Forbidden, "publishing there is not allowed")
	}
	return problem.New(problem.Forbidden, "one of the subjects is not allowed")
}

// away is what passes by waiting, on every transport.
func away(detail string) *problem.Problem {
	return problem.New(problem.NotReady, detail).Retry(comeBack)
}
