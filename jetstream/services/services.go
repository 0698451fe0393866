// Package services is how a node asks NATS services, and hears the answers that come
// later.
//
// Both have a connection of their own within the process, in the account of the services.
// It connects again by itself when the embedded server was restarted; what is asked
// meanwhile finds nobody. A request costs what one of the client library costs: a
// subject is put before it that only this node knows, since nobody but nodes may publish
// below svc.
//
// An answer that comes later is published on reply.<correlation>. One node of the cluster
// hears it, and hands it to whoever knows where its request waits. A bounded number is
// being handed on at once, and of those that wait for that a bounded number of bytes is
// kept. If the message has a reply subject that is an inbox, what became of it is
// acknowledged there: +OK, or -ERR and the code of a problem.
package services

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"weft/edge/problem"
	"weft/jetstream/ratelog"
	"weft/jetstream/subject"
)

const (
	// maxHanding is how many answers are being handed on at once.
	maxHanding = 256
	// maxPending and maxPendingBytes bound the answers that wait for that; more are lost.
	maxPending, maxPendingBytes = 64 << 10, 64 << 20
	// handWithin bounds how long an answer is being handed on.
	handWithin = 5 * time.Second
	// nodesQueue is the queue group of the nodes, so that one of them hears an answer.
	nodesQueue = "weft"
)

// Params are what Services stand on.
type Params struct {
	// Connect connects as a node in the account of the services.
	Connect func(name string, opts ...nats.Option) (*nats.Conn, error)
	// Subject is what a node publishes so that it arrives at a subject below svc.
	Subject func(to string) string
	Log     *slog.Logger
}

// Services are reached over a connection. Request may be called concurrently.
type Services struct {
	p        Params
	limited  *ratelog.Log // of what services can cause
	take     Taker
	conn     *nats.Conn
	opened   chan struct{}
	handing  chan struct{}
	closing  context.Context
	cancel   context.CancelFunc
	handlers sync.WaitGroup
}

// New makes Services, which reach nobody before Open.
func New(p Params) *Services {
	s := &Services{p: p, limited: ratelog.New(p.Log, time.Now), opened: make(chan struct{}), handing: make(chan struct{}, maxHanding)}
	s.closing, s.cancel = context.WithCancel(context.Background())
	return s
}

// A Taker takes the headers and the body of an answer to the request of a correlation. It
// may be called concurrently; its errors are problems.
type Taker func(ctx context.Context, correlation string, header iter.Seq2[string, string], body []byte) error

// OnAnswer says who takes the answers that come later. It is called before Open.
func (s *Services) OnAnswer(take Taker) { s.take = take }

// Open connects, and listens to answers if somebody takes them. Close must be called if
// it returns no error.
func (s *Services) Open() error {
	conn, err := s.p.Connect("services", nats.ErrorHandler(s.report))
	if err != nil {
		return err
	}
	if s.take != nil {
		sub, err := conn.QueueSubscribe(subject.AllReplies, nodesQueue, s.hand)
		if err == nil {
			err = errors.Join(sub.SetPendingLimits(maxPending, maxPendingBytes), conn.Flush())
		}
		if err != nil {
			conn.Close()
			return fmt.Errorf("listen to answers: %w", err)
		}
	}
	s.conn = conn
	close(s.opened)
	return nil
}

// report tells what goes wrong with the connection.
func (s *Services) report(_ *nats.Conn, sub *nats.Subscription, err error) {
	if sub != nil && sub.Subject == subject.AllReplies && errors.Is(err, nats.ErrSlowConsumer) {
		lost, _ := sub.Dropped()
		s.limited.Warn("lost", "answers are lost: services publish more on reply. than can be handed on", "lost", lost)
		return
	}
	s.limited.Warn("connection", "the connection to services", "err", err)
}

// Close ends the connection, and with it the requests that wait. It may be called again.
func (s *Services) Close() {
	s.cancel()
	select {
	case <-s.opened:
		s.conn.Close()
	default:
	}
	s.handlers.Wait()
}

// Request publishes a message for a service, below svc., and returns its reply. Errors:
// nats.ErrNoResponders, at once, when nobody listens or the connection is being made
// anew; nats.ErrMaxPayload; those of ctx. The message is changed.
func (s *Services) Request(ctx context.Context, m *nats.Msg) (*nats.Msg, error) {
	select {
	case <-s.opened:
	default:
		return nil, fmt.Errorf("%w: the node is being opened", nats.ErrNoResponders)
	}
	m.Subject = s.p.Subject(m.Subject)
	reply, err := s.conn.RequestMsgWithContext(ctx, m)
	switch {
	case err == nil:
		return reply, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrDisconnected),
		errors.Is(err, nats.ErrConnectionReconnecting), errors.Is(err, nats.ErrConnectionDraining):
		return nil, fmt.Errorf("%w: %w", nats.ErrNoResponders, err)
	}
	return nil, err
}

// hand hands an answer on, once not too many are being handed on.
func (s *Services) hand(m *nats.Msg) {
	select {
	case s.handing <- struct{}{}:
	case <-s.closing.Done():
		return
	}
	s.handlers.Go(func() {
		defer func() { <-s.handing }()
		ctx, cancel := context.WithTimeout(s.closing, handWithin)
		defer cancel()
		s.acknowledge(m, s.take(ctx, strings.TrimPrefix(m.Subject, subject.Reply), Pairs(m.Header), m.Data))
	})
}

// acknowledge tells whoever has sent an answer what became of it, if it may be told: the
// reply subject is of its choice, and the node may publish what it may not.
func (s *Services) acknowledge(m *nats.Msg, err error) {
	if !subject.IsInbox(m.Reply) {
		return
	}
	text := "+OK"
	if err != nil {
		text = "-ERR " + string(problem.Of(err).Code)
	}
	if err := s.conn.Publish(m.Reply, []byte(text)); err != nil {
		s.p.Log.Debug("acknowledge an answer", "err", err)
	}
}

// Pairs are the names and values of a header.
func Pairs(header nats.Header) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for name, values := range header {
			for _, v := range values {
				if !yield(name, v) {
					return
				}
			}
		}
	}
}
