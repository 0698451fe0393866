package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	directGet = "$JS.API.DIRECT.GET." + streamEvents
	leaderGet = "$JS.API.STREAM.MSG.GET." + streamEvents

	// readTry bounds the silence after which a read is given up.
	readTry = 2 * time.Second
	// maxReads bounds the reads in flight: the server drops all waiting
	// requests when its own queue overflows.
	maxReads = 256
	// MaxBatch is the most messages that one Read returns.
	MaxBatch = 256
)

// A Batch is the answer to a Read.
type Batch struct {
	Messages []Stored
	// Pending is how many more messages of the subject follow.
	Pending uint64
}

// Read returns messages of subject (which may have wildcards) from sequence
// from on, in order, at most limit (and MaxBatch) of them and not many more
// bytes than maxBytes; at least one if there is one. A message whose headers
// cannot be read has neither subject nor data, and TypeOf refuses it. Any replica may answer and
// may lag behind the leader. It fails with ErrUnavailable when nobody answers or
// the answer is incomplete: try again.
func (n *Node) Read(ctx context.Context, subject string, from uint64, limit, maxBytes int) (Batch, error) {
	release, err := n.reads.acquire(ctx)
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
	reply, answers, done := n.replies.expect(limit + 1)
	defer done()
	if err := n.conn.PublishRequest(directGet, reply, req); err != nil {
		return Batch{}, fmt.Errorf("%w: read %s: %w", ErrUnavailable, subject, err)
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
			return Batch{}, fmt.Errorf("%w: no answer to a read", ErrUnavailable)
		case m := <-answers:
			timer.Reset(readTry)
			if m.Header == nil { // what the server sends always has headers
				unreadable++
				continue
			}
			if last(m.Header, "Nats-Sequence") == "" { // not a message: the end, or a refusal
				err := b.finish(m.Header, before, unreadable)
				return b, err
			}
			s, err := ParseStored(m)
			if err != nil {
				return Batch{}, fmt.Errorf("%w: read: %w", ErrUnavailable, err)
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
		return fmt.Errorf("%w: a read lost messages", ErrUnavailable)
	}
	for range unreadable {
		b.Messages = append(b.Messages, Stored{Seq: seq, Previous: before, unreadable: true})
	}
	return nil
}

// finish reads the status that ends a batch whose last readable message was
// before.
func (b *Batch) finish(h nats.Header, before uint64, unreadable int) error {
	switch status := first(h, statusHeader); status {
	case statusNotFound:
		return nil
	case statusEndOfBatch:
		var end uint64
		fmt.Sscan(last(h, "Nats-Last-Sequence"), &end)
		if err := b.reach(end, before, unreadable); err != nil {
			return err
		}
		fmt.Sscan(last(h, "Nats-Num-Pending"), &b.Pending)
		return nil
	default:
		return fmt.Errorf("%w: read: status %q", ErrUnavailable, status)
	}
}

// Position stores a message of no meaning and returns its sequence: all that any
// node has acknowledged before the call has a lower one. Head and State are
// answered also by a leader that is cut off from the others, which have another
// one meanwhile; Position takes a majority. It fails with ErrUnavailable: try
// again.
func (n *Node) Position(ctx context.Context) (uint64, error) {
	ack, err := n.publishOnce(ctx, nats.NewMsg("tick."+n.Token()), true)
	return ack.Seq, err
}

// Next asks the leader for the first sequence from on that is stored under
// subject, which may have wildcards; 0 means that there is none, which in a
// cluster takes a majority. It fails with ErrUnavailable: try again.
func (n *Node) Next(ctx context.Context, subject string, from uint64) (uint64, error) {
	seq, err := n.askLeader(ctx, leaderQuery{NextFor: subject, Seq: max(from, 1)})
	if err == nil && seq == 0 && n.cfg.Cluster != nil {
		err = n.proveAbsence(ctx, subject, max(from, 1))
	}
	return seq, err
}

// A leaderQuery is a request for one message. Of a cluster only the leader answers it.
type leaderQuery struct {
	Seq     uint64 `json:"seq,omitempty"`
	LastFor string `json:"last_by_subj,omitempty"`
	NextFor string `json:"next_by_subj,omitempty"`
}

func (n *Node) askLeader(ctx context.Context, q leaderQuery) (uint64, error) {
	release, err := n.reads.acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	return whileLed(ctx, n, func(ctx context.Context) (uint64, error) { return n.askLeaderOnce(ctx, q) })
}

// requestMessage puts a query to one of the requests that return a message.
func (n *Node) requestMessage(ctx context.Context, request string, q leaderQuery) (*nats.Msg, error) {
	req, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	try, cancel := context.WithTimeout(ctx, readTry)
	defer cancel()
	m, err := n.conn.RequestWithContext(try, request, req)
	switch {
	case err == nil:
		return m, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, fmt.Errorf("%w: head of %s: %w", ErrUnavailable, q.LastFor+q.NextFor, err)
}

func (n *Node) askLeaderOnce(ctx context.Context, q leaderQuery) (uint64, error) {
	m, err := n.requestMessage(ctx, leaderGet, q)
	if err != nil {
		return 0, err
	}
	subject := q.LastFor + q.NextFor
	var resp struct {
		Error   *apiError `json:"error"`
		Message struct {
			Seq uint64 `json:"seq"`
		} `json:"message"`
	}
	if err := json.Unmarshal(m.Data, &resp); err != nil {
		return 0, fmt.Errorf("%w: head of %s: %w", ErrUnavailable, subject, err)
	}
	if resp.Error != nil {
		if resp.Error.ErrCode == errCodeNoMessage {
			return 0, nil
		}
		return 0, fmt.Errorf("%w: head of %s: %w", ErrUnavailable, subject, resp.Error)
	}
	return resp.Message.Seq, nil
}

// Error codes of the JetStream API.
const (
	errCodeNoMessage   = 10037
	errCodeTooLarge    = 10054
	errCodeStorage     = 10047 // insufficient storage resources available
	errCodeResources   = 10023 // insufficient resources
	errCodeSequence    = 10071 // wrong last sequence: the key has a value
	errCodeNoStream    = 10059
	errCodeNoMember    = 10044 // server is not a member of the cluster
	errCodeUnavailable = 10008 // JetStream system temporarily unavailable
	errCodeNoPeers     = 10005 // no suitable peers: a leader has yet to hear from enough nodes
)

// apiError is an error answer of the JetStream API.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string {
	return fmt.Sprintf("%s (%d)", e.Description, e.ErrCode)
}

// A gate bounds how many calls run at once.
type gate chan struct{}

var errGate = errors.New("too many requests wait for the store")

func (g gate) acquire(ctx context.Context) (release func(), err error) {
	select {
	case g <- struct{}{}:
		return func() { <-g }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errGate, ctx.Err())
	}
}
