package fault

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"weft/config/testkit/waitfor"
)

// stopLimit bounds how long a node may take to leave in good order.
const stopLimit = 60 * time.Second

// rollingRestart stops and starts all nodes, one after the other, as an upgrade does.
var rollingRestart = Fault{Name: "rolling restart", MaxSilence: 250 * time.Millisecond, KafkaSilence: 700 * time.Millisecond,
	Apply: func(ctx context.Context, c *Cluster) error {
		return c.roll(ctx, func(int) error { return nil })
	}}

// laggingRestart does so with much stored while each node is away: the next one may
// stop only when the one before has it all, and readiness says when.
var laggingRestart = Fault{Name: "restart while replicas lag", Apply: func(ctx context.Context, c *Cluster) error {
	return c.roll(ctx, func(away int) error { return c.flood(ctx, (away+1)%len(c.Nodes)) })
}}

// roll restarts each node as soon as the one before is ready; meanwhile runs while
// the node is away.
func (c *Cluster) roll(ctx context.Context, meanwhile func(away int) error) error {
	for i, n := range c.Nodes {
		c.Log("restart n%d", i+1)
		if err := c.stop(ctx, i); err != nil {
			return err
		}
		if err := meanwhile(i); err != nil {
			return err
		}
		n.Launch()
		if err := c.awaitReady(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// stop ends a node with SIGTERM.
func (c *Cluster) stop(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	p := c.Nodes[i].Process()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	code, err := p.Wait(ctx)
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("n%d ended with exit code %d after SIGTERM", i+1, code)
	}
	return nil
}

const (
	floodEvents = 5000
	floodBytes  = 4 << 10
	floodLimit  = 30 * time.Second
)

// flood stores 20 MB on subjects that nobody follows, through node i.
func (c *Cluster) flood(ctx context.Context, i int) error {
	conn, err := dial(c.Nodes[i])
	if err != nil {
		return fmt.Errorf("connect to flood: %w", err)
	}
	defer conn.Close()
	data := make([]byte, floodBytes)
	for n := range floodEvents {
		if err := conn.Publish(fmt.Sprintf("topic.flood.%d", n%50), data); err != nil {
			return fmt.Errorf("flood: %w", err)
		}
	}
	// An acknowledgement of what comes after them says that they have been taken in.
	end := time.Now().Add(floodLimit)
	for {
		_, err := conn.Request("topic.flood.0", data, ackTry)
		if err == nil {
			return nil
		}
		if time.Now().After(end) || waitfor.Time(ctx, publishPause) != nil {
			return fmt.Errorf("flood: %w", err)
		}
	}
}
