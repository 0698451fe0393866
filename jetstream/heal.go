package jetstream

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
)

const (
	// stuckAfter is how long ticks may go without an acknowledgement before the
	// server is restarted, healPause the least time between two restarts.
	stuckAfter = 8 * time.Second
	healPause  = 30 * time.Second
	// In a cluster a store that answers nobody waits for a majority or for an
	// election more often than it is stuck.
	stuckAfterClustered = time.Minute
)

// Tick sends a message of no meaning through the stream, which every node uses
// to know how far it has read: a delivery copy comes back on out.tick.<node>.
// With a mark, it goes to a subject of its own and so stays until age or size
// removes it. By its payload the node knows it again. Tick does not wait. It fails with ErrIsolated on a node that is cut
// off: if that node leads the stream, each tick would be an entry in its log that
// nobody agrees to, and that must be taken back one by one when it meets the
// others again.
func (n *Node) Tick(mark string, payload []byte) error {
	if n.cutOff() > 0 {
		return api.ErrIsolated
	}
	s := "tick." + n.Token()
	if mark != "" {
		s += "." + mark
	}
	n.ticked.CompareAndSwap(0, n.uptime())
	return n.conn.PublishRequest(s, n.tickReply, payload)
}

// openTicks receives the acknowledgements of ticks.
func (n *Node) openTicks() error {
	n.tickReply = n.conn.NewInbox()
	_, err := n.conn.Subscribe(n.tickReply, func(m *nats.Msg) {
		if _, err := api.AckOf(m); err == nil {
			n.ticked.Store(n.uptime())
		}
	})
	if err != nil {
		return fmt.Errorf("subscribe for ticks: %w", err)
	}
	return nil
}

// heal restarts the embedded server when the store is stuck, or has ended: after
// its disk was full it does not take messages again by itself. Everything that
// was acknowledged is on disk, or with the other nodes, and is found again;
// connections within the process reconnect.
func (n *Node) heal(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	var restarted time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		why := n.sick()
		if why == "" || n.disk.Full() || time.Since(restarted) < healPause {
			continue
		}
		n.log.Error("restarting the embedded server", "reason", why)
		n.metrics.restarts.Inc()
		n.members.renew()
		n.srv.Stop()
		logged := false
		_ = api.Start().Do(ctx, func(ctx context.Context) error { // it ends with the node
			err := n.srv.Start(ctx)
			if err != nil && !logged {
				logged = true
				n.log.Error("restart embedded server; trying again", "err", err)
			}
			return err
		})
		restarted = time.Now()
	}
}

// sick says why the server has to be restarted, "" when it has not.
func (n *Node) sick() string {
	if n.members.illFor() > stuckAfter {
		return "this node's copies have stopped"
	}
	ticked := n.ticked.Load()
	silent := time.Duration(n.uptime() - ticked)
	switch {
	case ticked == 0: // none was sent yet
		return ""
	case n.cfg.Cluster == nil && silent > stuckAfter,
		silent > stuckAfterClustered && n.members.linkedFor() > stuckAfterClustered:
		return "the store takes no messages"
	}
	return ""
}

// uptime is a clock in nanoseconds, never 0, that does not jump with the wall
// clock.
func (n *Node) uptime() int64 { return int64(time.Since(n.made)) + 1 }
