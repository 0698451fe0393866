// Package target is where requests from the front end go in Kafka: a producer that is the
// http.RoundTripper of routes to topics, and a reader of the topics by which answers come
// back.
package target

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"weft/bridge"
	"weft/edge/problem"
	"weft/edge/route"
)

// Replies take the answers that were read.
type Replies interface {
	// Mine reports whether a correlation is of this process.
	Mine(correlation string) bool
	// Take hands on an answer; err says that it is bad.
	Take(correlation string, a *route.Answer, err error)
}

// A Kafka is the http.RoundTripper of the scheme kafka, and the reader of answers. It is
// safe for concurrent use.
type Kafka struct{}

// New makes a Kafka; it does no I/O. Without brokers every request is refused.
func New(k bridge.KafkaConfig, replies Replies, log *slog.Logger, reg prometheus.Registerer) (*Kafka, error) {
	return &Kafka{}, nil
}

// Follow says which topics answers come by, from now on. It does not block.
func (k *Kafka) Follow(topics []string) {}

// Ready returns when the topic is read from before now on. Its errors are problems.
func (k *Kafka) Ready(ctx context.Context, topic string) error {
	return problem.New(problem.UpstreamUnavailable, "Kafka is not configured")
}

// RoundTrip implements http.RoundTripper. The request's context has a route.Call; its
// headers are those of the record. The answer is 202 with the correlation, once the broker
// has acknowledged the record.
func (k *Kafka) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, problem.New(problem.UpstreamUnavailable, "Kafka is not configured")
}

// Run reads answers until ctx ends, then returns nil.
func (k *Kafka) Run(ctx context.Context) error { <-ctx.Done(); return nil }
