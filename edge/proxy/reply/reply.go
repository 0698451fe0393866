// Package reply is where requests wait for answers that come later, by Kafka, by HTTP or
// by NATS, and name the correlation that the request was sent with.
package reply

import (
	"context"

	"weft/edge/problem"
	"weft/edge/route"
)

// An Outcome is what became of an answer.
type Outcome string

// The outcomes.
const (
	Delivered Outcome = "delivered"
	Late      Outcome = "late"
	Duplicate Outcome = "duplicate"
	Bad       Outcome = "bad"
	Foreign   Outcome = "foreign" // it is another instance's
)

// Topics are the topics of Kafka that answers come by.
type Topics interface {
	// Ready returns when the topic is read from before now on. Its errors are problems.
	Ready(ctx context.Context, topic string) error
}

// Waiting are the places in which requests of this process wait. It is safe for
// concurrent use.
type Waiting struct{ instance string }

// New makes a Waiting with an instance of its own.
func New() *Waiting { return &Waiting{} }

// Expect makes a place, before the request leaves: the correlation to send with it, and
// how to wait for the answer. forget must be called.
func (w *Waiting) Expect() (correlation string, answer <-chan *route.Answer, forget func()) {
	return "", make(chan *route.Answer, 1), func() {}
}

// Mine reports whether a correlation is of this process.
func (w *Waiting) Mine(correlation string) bool { return false }

// Deliver hands an answer to the request that waits for it; err says that it is bad, which
// the request is told.
func (w *Waiting) Deliver(correlation string, a *route.Answer, err error) Outcome { return Late }

// Route delivers an answer wherever in the cluster its request waits. Its errors are
// problems.
func (w *Waiting) Route(ctx context.Context, correlation string, a *route.Answer) error {
	return problem.New(problem.NotFound, "nobody waits for this answer")
}
