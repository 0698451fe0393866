package jetstream

import (
	"context"
	"fmt"
	"time"

	"weft/jetstream/api"
)

// Majority waits until the node is linked to a majority of its cluster, and then
// returns a context that ends with ctx and also when the node has been cut off
// from the others for longer than patience. A standalone node is a majority by
// itself. cancel must be called. The error is the cause of the end of ctx.
func (n *Node) Majority(ctx context.Context, patience time.Duration) (linked context.Context, cancel context.CancelFunc, err error) {
	linked, end := context.WithCancelCause(ctx)
	if n.cfg.Cluster == nil {
		return linked, func() { end(nil) }, nil
	}
	t := time.NewTicker(memberEvery)
	for n.cutOff() > 0 {
		select {
		case <-ctx.Done():
			t.Stop()
			end(nil)
			return nil, nil, fmt.Errorf("wait for the other nodes: %w", context.Cause(ctx))
		case <-t.C:
		}
	}
	go func() {
		defer t.Stop()
		for {
			select {
			case <-linked.Done():
				return
			case <-t.C:
			}
			if n.cutOff() > patience {
				end(api.ErrIsolated)
				return
			}
		}
	}()
	return linked, func() { end(nil) }, nil
}

// cutOff is for how long the node has been cut off from the majority of its
// cluster, 0 when it is not.
func (n *Node) cutOff() time.Duration {
	d, _ := n.Isolated()
	return d
}
