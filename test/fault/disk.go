package fault

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// diskBytes is the size of the file system that the last node's data is on, and
	// floorBytes what must stay free of it.
	diskBytes  = 640 << 20
	floorBytes = "16MiB"
	fullFor    = 8 * time.Second
)

// diskFull fills the disk of one node, to below the floor at which it refuses events
// or to the last byte, and frees it again.
var diskFull = Fault{Name: "disk full on one node", Brief: 1, Apply: func(ctx context.Context, c *Cluster) error {
	if c.Disk == nil {
		return nil // which StartCluster has warned of
	}
	leave := []int64{0, 4 << 20}[rand.IntN(2)]
	c.Log("fill the disk of n%d, but for %d bytes", len(c.Nodes), leave)
	if err := c.Disk.Fill(leave); err != nil {
		return err
	}
	if err := Pause(ctx, fullFor); err != nil {
		return err
	}
	return c.Disk.Free()
}}
