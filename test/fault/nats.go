package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"

	"weft/test/stage"
)

// overNATS publishes to JetStream with a message id, and waits for the
// acknowledgement; each try is at a random node.
type overNATS struct {
	conns  []*nats.Conn
	ledger ledger
}

// ackTry bounds the wait for one acknowledgement.
const ackTry = 2 * time.Second

func newNATS(c *Cluster) (*overNATS, error) {
	o := &overNATS{}
	for _, n := range c.Nodes {
		conn, err := dial(n, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond),
			nats.ReconnectBufSize(-1), nats.PingInterval(5*time.Second))
		if err != nil {
			o.close()
			return nil, fmt.Errorf("connect publisher: %w", err)
		}
		o.conns = append(o.conns, conn)
	}
	return o, nil
}

func dial(n *stage.Node, options ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("nats://"+n.NATSAddress(), append(n.NATSOptions(), options...)...)
}

func (*overNATS) name() string { return "nats" }

func (o *overNATS) publish(ctx context.Context, user string, n int) (refused int, err error) {
	for {
		if err := o.try(user, n); err == nil {
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
func (o *overNATS) try(user string, n int) error {
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
	answer, err := conn.RequestMsg(m, ackTry)
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
