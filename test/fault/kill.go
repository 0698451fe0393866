package fault

import (
	"context"
	"math/rand/v2"
	"time"

	"weft/config/testkit/waitfor"
)

// downFor is how long a node stays away after a kill.
const downFor = 2 * time.Second

// electionSilence bounds the silence when a process has ended: an election takes up to two
// seconds. linkSilence is that of a node which is gone and does not say so: a publisher
// waits as long for an answer of it, and so do the nodes until its links are lost.
const (
	electionSilence = 2500 * time.Millisecond
	linkSilence     = 5 * time.Second
)

// killLeader ends the node that leads the stream with SIGKILL: the others must agree
// on a new one.
var killLeader = Fault{Name: "kill -9 of the leader", MaxSilence: electionSilence, Apply: func(ctx context.Context, c *Cluster) error {
	i, err := c.leader(ctx)
	if err != nil {
		return err
	}
	return c.kill(ctx, i)
}}

// killOther ends one that does not lead.
var killOther = Fault{Name: "kill -9 of another", MaxSilence: electionSilence, Apply: func(ctx context.Context, c *Cluster) error {
	i, err := c.leader(ctx)
	if err != nil {
		return err
	}
	return c.kill(ctx, (i+1+rand.IntN(len(c.Nodes)-1))%len(c.Nodes))
}}

func (c *Cluster) kill(ctx context.Context, i int) error {
	c.Log("kill n%d", i+1)
	c.Nodes[i].Kill()
	if err := waitfor.Time(ctx, downFor); err != nil {
		return err
	}
	c.Nodes[i].Launch()
	return nil
}
