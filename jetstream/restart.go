package jetstream

import (
	"context"
	"time"

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
	silent := n.store.Silence()
	switch {
	case n.cfg.Cluster == nil && silent > stuckAfter,
		silent > stuckAfterClustered && n.members.linkedFor() > stuckAfterClustered:
		return "the store takes no messages"
	}
	return ""
}
