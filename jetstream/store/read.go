package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

const (
	statusHeader     = "Status"
	statusNotFound   = "404"
	statusEndOfBatch = "204"
)

const (
	directGet = "$JS.API.DIRECT.GET." + event.StreamName

	// readTry bounds the silence after which a read is given up.
	readTry = 2 * time.Second
	// maxReads bounds the reads in flight: the server drops all waiting
	// requests when its own queue overflows.
	maxReads = 256
	// MaxBatch is the most messages that one Read returns.
	MaxBatch = 256
)

// A Reader reads the stream. What it is asked at once is bounded.
type Reader struct {
	stream *Stream
	params *Params
	reads  api.Semaphore
	// barrier stores a message of no meaning; see Publisher.Barrier.
	barrier func(context.Context) (uint64, error)
}

// A Batch is the answer to a Read.
type Batch struct {
	Messages []event.Stored
	// Pending is how many more messages of the subject follow.
	Pending uint64
}

// Read returns messages of subject (which may have wildcards) from sequence
// from on, in order, at most limit (and MaxBatch) of them and not many more
// bytes than maxBytes; at least one if there is one. A message whose headers
// cannot be read has neither subject nor data, and TypeOf refuses it. Any replica may answer and
// may lag behind the leader. It fails with ErrUnavailable when nobody answers or
// the answer is incomplete: try again.
func (r *Reader) Read(ctx context.Context, subject string, from uint64, limit, maxBytes int) (Batch, error) {
	release, err := r.reads.Acquire(ctx)
	if err != nil {
		return Batch{}, err
	}
	defer release()
	limit = min(max(limit, 1), MaxBatch)
	req, err := json.Marshal(struct {
		Seq      uint64 `json:"seq"`
		Batch    int    `json:"batch"`
		MaxBytes int    `json:"max_bytes"`
		NextFor  string `json:"next_by_subj"`
	}{max(from, 1), limit, max(maxBytes, 1), subject})
	if err != nil {
		return Batch{}, err
	}
	reply, answers, done := r.params.Client.Mux.Expect(limit + 1)
	defer done()
	if err := r.params.Client.Conn.PublishRequest(directGet, reply, req); err != nil {
		return Batch{}, fmt.Errorf("%w: read %s: %w", api.ErrUnavailable, subject, err)
	}
	return collect(ctx, answers)
}

// collect gathers a batch and checks that nothing of it is missing: each
// message names the one before it. That also gives the sequence of messages
// whose headers a publisher made so that nobody can read them.
func collect(ctx context.Context, answers <-chan *nats.Msg) (Batch, error) {
	var b Batch
	var before uint64
	unreadable := 0 // in a row
	timer := time.NewTimer(readTry)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		case <-timer.C:
			return Batch{}, fmt.Errorf("%w: no answer to a read", api.ErrUnavailable)
		case m := <-answers:
			timer.Reset(readTry)
			if m.Header == nil { // what the server sends always has headers
				unreadable++
				continue
			}
			if event.LastValue(m.Header, "Nats-Sequence") == "" { // not a message: the end, or a refusal
				err := b.finish(m.Header, before, unreadable)
				return b, err
			}
			s, err := event.ParseStored(m)
			if err != nil {
				return Batch{}, fmt.Errorf("%w: read: %w", api.ErrUnavailable, err)
			}
			if err := b.reach(s.Previous, before, unreadable); err != nil {
				return Batch{}, err
			}
			before, unreadable = s.Seq, 0
			b.Messages = append(b.Messages, s)
		}
	}
}

// reach checks that only unreadable messages lie between two sequences, and
// enters them. Of several the sequence of the last one stands for all.
func (b *Batch) reach(seq, before uint64, unreadable int) error {
	if unreadable == 0 && seq != before || unreadable > 0 && seq <= before {
		return fmt.Errorf("%w: a read lost messages", api.ErrUnavailable)
	}
	for range unreadable {
		b.Messages = append(b.Messages, event.Stored{Seq: seq, Previous: before, Unreadable: true})
	}
	return nil
}

// finish reads the status that ends a batch whose last readable message was
// before.
func (b *Batch) finish(h nats.Header, before uint64, unreadable int) error {
	switch status := event.FirstValue(h, statusHeader); status {
	case statusNotFound:
		return nil
	case statusEndOfBatch:
		var end uint64
		fmt.Sscan(event.LastValue(h, "Nats-Last-Sequence"), &end)
		if err := b.reach(end, before, unreadable); err != nil {
			return err
		}
		fmt.Sscan(event.LastValue(h, "Nats-Num-Pending"), &b.Pending)
		return nil
	default:
		return fmt.Errorf("%w: read: status %q", api.ErrUnavailable, status)
	}
}

// Next asks the leader for the first sequence from on that is stored under
// subject, which may have wildcards; 0 means that there is none, which in a
// cluster takes a majority. It fails with ErrUnavailable: try again.
func (r *Reader) Next(ctx context.Context, subject string, from uint64) (uint64, error) {
	seq, err := r.askLeader(ctx, api.Query{NextFor: subject, Seq: max(from, 1)})
	if err == nil && seq == 0 && r.params.clustered() {
		err = r.readQuorum(ctx, subject, max(from, 1))
	}
	return seq, err
}

// First asks the leader for the first message from a sequence on that is stored under
// subject, which may have wildcards; it is not ok when there is none, of which a leader that
// was cut off and has not noticed may not know. It fails with ErrUnavailable: try again.
func (r *Reader) First(ctx context.Context, subject string, from uint64) (m event.Stored, ok bool, err error) {
	release, err := r.reads.Acquire(ctx)
	if err != nil {
		return m, false, err
	}
	defer release()
	found, err := api.WhileLed(ctx, r.stream.leader, func(ctx context.Context) (*api.Found, error) {
		return r.foundByLeader(ctx, api.Query{NextFor: subject, Seq: max(from, 1)})
	})
	if err != nil || found == nil {
		return m, false, err
	}
	header, data, err := found.Content()
	if err != nil {
		return m, false, err
	}
	return event.Recorded(found.Subject, found.Seq, header, data, found.Time), true, nil
}

func (r *Reader) askLeader(ctx context.Context, q api.Query) (uint64, error) {
	release, err := r.reads.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	return api.WhileLed(ctx, r.stream.leader, func(ctx context.Context) (uint64, error) { return r.askLeaderOnce(ctx, q) })
}

// requestMessage puts a query to any replica.
func (r *Reader) requestMessage(ctx context.Context, q api.Query) (*nats.Msg, error) {
	req, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	try, cancel := context.WithTimeout(ctx, readTry)
	defer cancel()
	m, err := r.params.Client.Conn.RequestWithContext(try, directGet, req)
	switch {
	case err == nil:
		return m, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, fmt.Errorf("%w: head of %s: %w", api.ErrUnavailable, q.Subject(), err)
}

func (r *Reader) askLeaderOnce(ctx context.Context, q api.Query) (uint64, error) {
	m, err := r.foundByLeader(ctx, q)
	if err != nil || m == nil {
		return 0, err
	}
	return m.Seq, nil
}

// foundByLeader is nil when there is no such message.
func (r *Reader) foundByLeader(ctx context.Context, q api.Query) (*api.Found, error) {
	try, cancel := context.WithTimeout(ctx, readTry)
	defer cancel()
	m, err := api.AskLeader(try, r.params.Client.Conn, event.StreamName, q)
	switch {
	case err == nil:
		return m, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, fmt.Errorf("%w: head of %s: %w", api.ErrUnavailable, q.Subject(), err)
}
