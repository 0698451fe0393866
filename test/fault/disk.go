package fault

import (
	"context"
	"math/rand/v2"
	"time"

	"weft/config/testkit/waitfor"
)

const (
	// diskBytes is the size of the file system that a node's data is on, and
	// floorBytes what must stay free of it.
	diskBytes  = 640 << 20
	floorBytes = "16MiB"
	fullFor    = 6 * time.Second
)

// leaderDiskFull fills the disk of the node that leads the stream to the last byte, and
// frees it again.
var leaderDiskFull = Fault{Name: "leader's disk full", Apply: func(ctx context.Context, c *Cluster) error {
	i, err := c.leader(ctx)
	if err != nil {
		return err
	}
	return c.fill(ctx, i, 0)
}}

// otherDiskFull fills that of one that does not lead, to below the floor at which it
// refuses events.
var otherDiskFull = Fault{Name: "another's disk full", Long: true, Apply: func(ctx context.Context, c *Cluster) error {
	i, err := c.leader(ctx)
	if err != nil {
		return err
	}
	return c.fill(ctx, (i+1+rand.IntN(len(c.Nodes)-1))%len(c.Nodes), 4<<20)
}}

// fill leaves so many bytes of a node's disk free for a while.
func (c *Cluster) fill(ctx context.Context, i int, leave int64) error {
	if c.Disks == nil {
		return nil // which mount has warned of
	}
	c.Log("fill the disk of n%d, but for %d bytes", i+1, leave)
	if err := c.Disks[i].Fill(leave); err != nil {
		return err
	}
	if err := waitfor.Time(ctx, fullFor); err != nil {
		return err
	}
	return c.Disks[i].Free()
}
