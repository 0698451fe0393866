// Package target is where requests from the front end go in Kafka: a producer that is the
// http.RoundTripper of routes to topics, and a reader of the topics by which answers come
// back.
//
// A request is answered with 202 only after all in-sync replicas have its record. Records
// are sent by an idempotent producer: what is sent again after a lost connection is written
// once. Each partition has a lane of its own, in which one batch at a time is on its way, so
// that a topic that is missing, or a partition that does not get on, holds up nothing but
// itself. What was surely not written is answered 503, and what may have been 504.
//
// Answers are read from all partitions of all reply topics by each node for itself, without
// a group, from the end as it was before the request left. A partition that is being read
// goes on at the next offset, whatever happens to its broker; one that is new is read from
// its beginning.
//
// Kafka may be absent at any time; the node serves on without it.
package target

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/bridge"
	"weft/bridge/body"
	"weft/bridge/broker"
	"weft/edge/problem"
	"weft/edge/route"
	"weft/jetstream/ratelog"
)

// Replies take the answers that were read. They may be called concurrently, and must be
// cheap: a partition waits for them.
type Replies interface {
	// Mine reports whether a correlation is of this process.
	Mine(correlation string) bool
	// Take hands on an answer; err says that it is bad. It is called for the answers of
	// other processes, too, to count them: then with neither.
	Take(correlation string, a *route.Answer, err error)
}

// closeTime bounds Close.
const closeTime = 3 * time.Second

// A Kafka is the http.RoundTripper of the scheme kafka, and the reader of answers. It is
// safe for concurrent use.
type Kafka struct {
	cfg      bridge.KafkaConfig
	replies  Replies
	limited  *ratelog.Log
	bodies   body.Budget
	requests *requestLog

	mu       sync.Mutex
	closed   bool
	follows  []string  // topics of Follow before Open
	producer *producer // nil without brokers
	reader   *reader   // nil without brokers
}

// New makes a Kafka; it does no I/O. Without brokers every request is refused.
func New(k bridge.KafkaConfig, replies Replies, log *slog.Logger, reg prometheus.Registerer) (*Kafka, error) {
	t := &Kafka{cfg: k, replies: replies, limited: ratelog.New(log, time.Now), requests: newRequestLog(reg)}
	t.bodies.Set(bodiesLimit, full())
	return t, nil
}

// Open reads the files that the configuration names. It does not need Kafka.
func (k *Kafka) Open(context.Context) error {
	if !k.Configured() {
		return nil
	}
	tls, err := broker.LoadTLS(k.cfg.TLS)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	p, err := newProducer(&k.cfg, tls, k.limited)
	if err != nil {
		return err
	}
	r, err := newReader(&k.cfg, tls, k.take, k.limited)
	if err != nil {
		p.close()
		return err
	}
	k.producer, k.reader = p, r
	r.follow(k.follows)
	return nil
}

// Configured reports whether there are brokers: without, routes to Kafka cannot be served
// by this node.
func (k *Kafka) Configured() bool { return len(k.cfg.Brokers) > 0 }

// Run reads answers until ctx ends, then returns nil. It ends what Open has begun, so it
// should last for as long as there are requests.
func (k *Kafka) Run(ctx context.Context) error {
	if producer, _ := k.parts(); producer != nil {
		var logging sync.WaitGroup
		defer logging.Wait()
		logging.Go(func() { k.requests.run(producer.ctx, producer) })
	}
	<-ctx.Done()
	k.requests.flush()
	return k.Close()
}

// Close ends the producer and the reader: whoever waits is answered. It takes three seconds
// at most, and may be called twice.
func (k *Kafka) Close() error {
	k.mu.Lock()
	producer, reader, closed := k.producer, k.reader, k.closed
	k.closed = true
	k.mu.Unlock()
	if closed || producer == nil {
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		producer.close()
		reader.close()
	}()
	select {
	case <-done:
	case <-time.After(closeTime): // a broker hangs: what waits for it ends in the background
	}
	return nil
}

// Follow says which topics answers come by, from now on. It does not block. A topic that is
// not among them any more is read on for as long as a request may wait.
func (k *Kafka) Follow(topics []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.follows = topics
	if k.reader != nil {
		k.reader.follow(topics)
	}
}

// Ready returns when all partitions of the topic are read, from an end before which nothing
// can be an answer to what is sent after Ready has returned. Its errors are problems:
// without Kafka, or when ctx ends, 503.
func (k *Kafka) Ready(ctx context.Context, topic string) error {
	_, reader := k.parts()
	if reader == nil {
		return notConfigured()
	}
	return reader.ready(ctx, topic)
}

// parts are nil without brokers, and before Open.
func (k *Kafka) parts() (*producer, *reader) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.producer, k.reader
}

// RoundTrip implements http.RoundTripper. The request's context has a route.Call; its
// headers are those of the record. The answer is 202 with the correlation, once the broker
// has acknowledged the record. Its errors are problems, or those of the request's context.
func (k *Kafka) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer func() { _ = r.Body.Close() }() // it was read as far as it matters
	}
	call := route.CallOf(r.Context())
	producer, _ := k.parts()
	switch {
	case call == nil:
		return nil, problem.New(problem.Internal, "the request has no route")
	case producer == nil:
		return nil, notConfigured()
	}
	id := call.Correlation
	rec, err := k.record(r, call, id)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), call.Route.Timeout)
	defer cancel()
	rec.deadline, _ = ctx.Deadline()
	if err := producer.send(ctx, call.Route.Targets[0].Host, rec); err != nil {
		if r.Context().Err() != nil {
			return nil, context.Cause(r.Context())
		}
		return nil, err
	}
	return accepted(r, id), nil
}
