package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// MaxHeads is how many subjects Heads takes at once.
const MaxHeads = 64

// Heads returns the newest sequence of each of some exact subjects, as the leader
// has it; 0 means that nothing is stored under it. It fails as a whole with
// ErrUnavailable: try again.
func (n *Node) Heads(ctx context.Context, subjects []string) ([]uint64, error) {
	if n.cfg.Cluster == nil {
		return n.headsHere(ctx, subjects)
	}
	heads, errs := make([]uint64, len(subjects)), make([]error, len(subjects))
	var asking sync.WaitGroup
	for i, s := range subjects {
		asking.Go(func() { heads[i], errs[i] = n.askLeader(ctx, leaderQuery{LastFor: s}) })
	}
	asking.Wait()
	return heads, errors.Join(errs...)
}

// headsHere is Heads on a standalone node, whose only copy answers direct gets at
// half the cost (ADR-31 of NATS). All questions go out before the first answer is
// awaited.
func (n *Node) headsHere(ctx context.Context, subjects []string) ([]uint64, error) {
	release, err := n.reads.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	reply, answers, done := n.replies.expect(len(subjects))
	defer done()
	for i, s := range subjects {
		if err := n.conn.PublishRequest(directGet+"."+s, reply+"."+strconv.Itoa(i), nil); err != nil {
			return nil, fmt.Errorf("%w: head of %s: %w", ErrUnavailable, s, err)
		}
	}
	heads := make([]uint64, len(subjects))
	timer := time.NewTimer(readTry)
	defer timer.Stop()
	for range subjects {
		select {
		case m := <-answers:
			i, err := strconv.Atoi(m.Subject[len(reply)+1:])
			if err != nil || i < 0 || i >= len(heads) {
				return nil, fmt.Errorf("%w: an answer that was not asked for", ErrUnavailable)
			}
			if heads[i], err = n.headIn(ctx, m, subjects[i]); err != nil {
				return nil, err
			}
		case <-timer.C:
			return nil, fmt.Errorf("%w: no answer about the heads of subjects", ErrUnavailable)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return heads, nil
}

// headIn reads the answer to a direct get of a subject's last message.
func (n *Node) headIn(ctx context.Context, m *nats.Msg, subject string) (uint64, error) {
	switch status := first(m.Header, statusHeader); {
	case status == statusNotFound:
		return 0, nil
	case last(m.Header, "Nats-Sequence") == "" && status != "":
		return 0, fmt.Errorf("%w: head of %s: status %q", ErrUnavailable, subject, status)
	}
	s, err := ParseStored(m)
	if err != nil { // its headers cannot be read; the leader's answer has the sequence beside them
		return n.askLeaderOnce(ctx, leaderQuery{LastFor: subject})
	}
	return s.Seq, nil
}
