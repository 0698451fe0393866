package store

import (
	"context"
	"encoding/json"
	"fmt"

	"weft/jetstream/api"
)

// readQuorum is a quorum read: it fails with ErrUnavailable unless nothing is stored under
// subject from a sequence on, as far as a majority of the nodes has agreed. It is asked when
// a leader knows of nothing: it may have been cut off, and know nothing of what the others
// have stored since.
//
// A message that is stored now is the mark: the answer is one replica's newest
// message up to the mark of the subject and the mark's together, in order. When
// the mark comes first, the replica has all that is below it, and nothing of the
// subject is among that.
func (r *Reader) readQuorum(ctx context.Context, subject string, from uint64) error {
	mark, err := r.barrier(ctx)
	if err != nil {
		return err
	}
	if mark < from {
		return nil // the mark is the newest message that the majority has agreed on
	}
	release, err := r.reads.Acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	tick := tickSubject(r.params)
	req, err := json.Marshal(struct {
		Subjects []string `json:"multi_last"`
		From     uint64   `json:"seq"`
		UpTo     uint64   `json:"up_to_seq"`
		Batch    int      `json:"batch"`
	}{[]string{subject, tick}, from, mark, 1})
	if err != nil {
		return err
	}
	reply, answers, done := r.params.Client.Mux.Expect(2)
	defer done()
	if err := r.params.Client.Conn.PublishRequest(directGet, reply, req); err != nil {
		return fmt.Errorf("%w: read %s: %w", api.ErrUnavailable, subject, err)
	}
	b, err := collect(ctx, answers)
	if err != nil {
		return err
	}
	if len(b.Messages) != 1 || b.Messages[0].Seq != mark || b.Messages[0].Subject != tick {
		return fmt.Errorf("%w: the leader that was asked for %s, or a replica, lags", api.ErrUnavailable, subject)
	}
	return nil
}
