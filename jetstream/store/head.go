package store

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

// Head returns the newest sequence that is stored under subject, as the leader
// has it; 0 means that there is none. With wildcards it is that of all subjects
// that match: ">" asks for the newest message of the stream. It fails with
// ErrUnavailable: try again.
func (r *Reader) Head(ctx context.Context, subject string) (uint64, error) {
	if !r.params.clustered() {
		if subject == ">" && r.params.Replica != nil {
			if last, ok := r.params.Replica.Last(ctx); ok {
				return last, nil
			}
		}
		return r.headHere(ctx, api.Query{LastFor: subject})
	}
	return r.askLeader(ctx, api.Query{LastFor: subject})
}

// headHere asks any copy by a direct get (ADR-31 of NATS), which that of a standalone node
// answers at half the cost.
func (r *Reader) headHere(ctx context.Context, q api.Query) (uint64, error) {
	release, err := r.reads.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	m, err := r.requestMessage(ctx, q)
	if err != nil {
		return 0, err
	}
	return r.headIn(ctx, m, q)
}

// headIn reads the answer to a direct get.
func (r *Reader) headIn(ctx context.Context, m *nats.Msg, q api.Query) (uint64, error) {
	switch status := event.FirstValue(m.Header, statusHeader); {
	case status == statusNotFound:
		return 0, nil
	case event.LastValue(m.Header, "Nats-Sequence") == "" && status != "":
		return 0, fmt.Errorf("%w: head of %s: status %q", api.ErrUnavailable, q.LastFor, status)
	}
	s, err := event.ParseStored(m)
	if err != nil { // its headers cannot be read; the leader's answer has the sequence beside them
		return r.askLeaderOnce(ctx, q)
	}
	return s.Seq, nil
}
