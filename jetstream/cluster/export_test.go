package cluster

import (
	"context"
	"time"
)

// Needed is needed, for tests of whole clusters.
var Needed = needed

// Group asks for one group.
func (c *Cluster) Group(ctx context.Context, name string) *Group { return c.groups.group(ctx, name) }

// ClockSkew asks a node for its time.
func (c *Cluster) ClockSkew(ctx context.Context, peer string) (time.Duration, bool) {
	return c.clocks.skewOf(ctx, peer)
}
