package edge

import (
	"errors"
	"sync/atomic"

	"weft/edge/problem"
	"weft/edge/session"
	"weft/jetstream/api"
)

// readiness is whether the node takes new connections.
type readiness struct {
	draining  atomic.Bool
	below     func() error // nil when the parts below may serve
	blacklist func() bool  // the blacklist is loaded
}

// check is nil when the node takes new connections; its error is for operators.
func (r *readiness) check() error {
	if r.draining.Load() {
		return errors.New("the node is draining")
	}
	if err := r.below(); err != nil {
		return err
	}
	if !r.blacklist() {
		return errors.New("the blacklist is not loaded")
	}
	return nil
}

// refuseDraining refuses everybody while the node drains.
func (r *readiness) refuseDraining() error {
	if r.draining.Load() {
		return problem.New(problem.Draining, "the node is about to stop; come back to another").RetrySoon()
	}
	return nil
}

// refuse refuses everybody while the node takes no new connections.
func (r *readiness) refuse() error {
	if err := r.refuseDraining(); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		if errors.Is(err, api.ErrIsolated) {
			return problem.New(problem.NotReady, session.Isolated.Ending().Detail).RetrySoon()
		}
		return problem.New(problem.NotReady, "the node is not ready; come back later").RetrySoon()
	}
	return nil
}
