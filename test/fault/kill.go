package fault

import (
	"context"
	"math/rand/v2"
	"time"
)

// downFor is how long a node stays away after a kill: longer than an election.
const downFor = 2 * time.Second

// kill ends any node with SIGKILL, the stream's leader as often as others.
var kill = Fault{Name: "kill -9", Brief: 2, Apply: func(ctx context.Context, c *Cluster) error {
	i := rand.IntN(len(c.Nodes))
	c.Log("kill n%d", i+1)
	c.Nodes[i].Kill()
	if err := Pause(ctx, downFor); err != nil {
		return err
	}
	c.Nodes[i].Launch()
	return nil
}}
