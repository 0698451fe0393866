package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// overNATS publishes to JetStream with a message id, and waits for the
// acknowledgement; each try is at a random node that has not left another one without
// an answer just before, as a publisher with several servers has it.
type overNATS struct {
	conns  []*nats.Conn
	ledger ledger

	// lost is closed and replaced when a connection ends: whoever waits for an answer
	// on it would wait in vain.
	mu   sync.Mutex
	lost chan struct{}
	mute []time.Time // until when a node is not asked, by node
}

const (
	// ackTry bounds the wait for one acknowledgement.
	ackTry = 2 * time.Second
	// muteFor is how long a node is not asked that did not answer in that time.
	muteFor = 5 * time.Second
)

func newNATS(nodes []*stage.Node) (*overNATS, error) {
	o := &overNATS{lost: make(chan struct{}), mute: make([]time.Time, len(nodes))}
	for _, n := range nodes {
		conn, err := dial(n, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond),
			nats.ReconnectBufSize(-1), nats.PingInterval(5*time.Second),
			nats.DisconnectErrHandler(func(*nats.Conn, error) { o.disconnected() }))
		if err != nil {
			o.close()
			return nil, fmt.Errorf("connect publisher: %w", err)
		}
		o.conns = append(o.conns, conn)
	}
	return o, nil
}

func (o *overNATS) disconnected() {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.lost)
	o.lost = make(chan struct{})
}

// untilLost returns a context for one try, which ends when a connection is lost.
func (o *overNATS) untilLost(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, ackTry)
	o.mu.Lock()
	lost := o.lost
	o.mu.Unlock()
	go func() {
		select {
		case <-lost:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// choose picks a node: one that is connected and answers, if there is one.
func (o *overNATS) choose() int {
	order := rand.Perm(len(o.conns))
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for _, i := range order {
		if o.conns[i].IsConnected() && o.mute[i].Before(now) {
			return i
		}
	}
	return order[0]
}

func dial(n *stage.Node, options ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("nats://"+n.NATSAddress(), append(n.NATSOptions(), options...)...)
}

func (*overNATS) name() string { return "nats" }

func (o *overNATS) publish(ctx context.Context, user string, n int) (refused int, err error) {
	for {
		if err := o.try(ctx, user, n); err == nil {
			o.ledger.enter(user, n)
			return refused, nil
		}
		refused++
		if err := waitfor.Time(ctx, publishPause); err != nil {
			return refused, err
		}
	}
}

// try publishes once, at one of the nodes that can be reached.
func (o *overNATS) try(ctx context.Context, user string, n int) error {
	ctx, cancel := o.untilLost(ctx)
	defer cancel()
	at := o.choose()
	m := nats.NewMsg("user." + user)
	m.Header.Set("Nats-Msg-Id", fmt.Sprintf("load/%s/%d", user, n))
	m.Header.Set("ce-type", "load.nats")
	m.Data = payload(o.name(), user, n)
	answer, err := o.conns[at].RequestMsgWithContext(ctx, m)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			o.mu.Lock()
			o.mute[at] = time.Now().Add(muteFor)
			o.mu.Unlock()
		}
		return err
	}
	var ack struct {
		Seq   uint64          `json:"seq"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil || ack.Seq == 0 {
		return fmt.Errorf("publish event %d of %s: answer %q", n, user, answer.Data)
	}
	return nil
}

func (o *overNATS) accepted(context.Context) (map[string][]receipt, error) {
	return o.ledger.take(), nil
}

func (o *overNATS) close() {
	for _, c := range o.conns {
		c.Close()
	}
}
