package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"weft/test/stage"
)

// overNATS publishes to JetStream with a message id, and waits for the
// acknowledgement; each try is at a random node.
type overNATS struct {
	conns  []*nats.Conn
	ledger ledger

	// lost is closed and replaced when a connection ends: whoever waits for an answer
	// on it would wait in vain.
	mu   sync.Mutex
	lost chan struct{}
}

// ackTry bounds the wait for one acknowledgement.
const ackTry = 2 * time.Second

func newNATS(nodes []*stage.Node) (*overNATS, error) {
	o := &overNATS{lost: make(chan struct{})}
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
		if err := Pause(ctx, publishPause); err != nil {
			return refused, err
		}
	}
}

// try publishes once, at one of the nodes that can be reached.
func (o *overNATS) try(ctx context.Context, user string, n int) error {
	ctx, cancel := o.untilLost(ctx)
	defer cancel()
	conn := o.conns[rand.IntN(len(o.conns))]
	for _, i := range rand.Perm(len(o.conns)) {
		if o.conns[i].IsConnected() {
			conn = o.conns[i]
			break
		}
	}
	m := nats.NewMsg("user." + user)
	m.Header.Set("Nats-Msg-Id", fmt.Sprintf("load/%s/%d", user, n))
	m.Header.Set("ce-type", "load.nats")
	m.Data = payload(o.name(), user, n)
	answer, err := conn.RequestMsgWithContext(ctx, m)
	if err != nil {
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
