package cluster

import (
	"context"
	"fmt"
	"time"

	"weft/jetstream/api"
)

// Majority waits until the node is linked to a majority of its cluster, and then
// returns a context that ends with ctx and also when the node has been cut off
// from the others for longer than timeout. A standalone node is a majority by
// itself. cancel must be called. The error is the cause of the end of ctx.
func (l *Links) Majority(ctx context.Context, timeout time.Duration) (linked context.Context, cancel context.CancelFunc, err error) {
	linked, end := context.WithCancelCause(ctx)
	if l.cluster == nil {
		return linked, func() { end(nil) }, nil
	}
	t := time.NewTicker(linksEvery)
	for l.CutOff() {
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
			if cut, _ := l.Isolated(); cut > timeout {
				end(api.ErrIsolated)
				return
			}
		}
	}()
	return linked, func() { end(nil) }, nil
}
