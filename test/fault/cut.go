package fault

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

const (
	// isolatedFor is cluster.isolated_for of all nodes.
	isolatedFor = 3 * time.Second
	// linksLost is about how long it takes until a node has noticed a cut.
	linksLost = 6 * time.Second
)

var directions = []stage.Direction{stage.In, stage.Out, stage.Both}

// cut drops what a node sends, what it receives, or both, between it and the other
// nodes: clients and Kafka reach it still.
func cut(d stage.Direction) Fault {
	var found []error
	return Fault{
		Name:    "cut " + d.String(),
		Network: true, MaxSilence: linkSilence,
		Apply: func(ctx context.Context, c *Cluster) error {
			found = nil
			i := c.victim(ctx, d == stage.Both)
			m, err := watchMinority(ctx, c, i)
			if err != nil {
				return err
			}
			c.Log("cut n%d off from the others, %v", i+1, d)
			if err := c.Nodes[i].Place.Cut(d, stage.Peers); err != nil {
				return err
			}
			err = m.endure(ctx)
			c.Nodes[i].Place.Heal()
			c.Log("healed")
			found = m.finish(ctx)
			return err
		},
		Check: func(*Round) error { return errors.Join(found...) },
	}
}

// shortCuts cut nodes off one after the other for so long that some cuts are noticed
// and others are not, and clients stay where they are: a leader that is cut off takes
// itself for one until it hears otherwise.
var shortCuts = Fault{Name: "short cuts", Long: true, Network: true, Apply: func(ctx context.Context, c *Cluster) error {
	for range 2 {
		i := c.victim(ctx, false)
		d, held := directions[rand.IntN(len(directions))], rand.N(linksLost+isolatedFor)
		c.Log("cut n%d off from the others, %v, for %v", i+1, d, held.Round(time.Millisecond))
		if err := c.Nodes[i].Place.Cut(d, stage.Peers); err != nil {
			return err
		}
		err := waitfor.Time(ctx, held)
		c.Nodes[i].Place.Heal()
		if err != nil {
			return err
		}
		if err := waitfor.Time(ctx, rand.N(2*time.Second)); err != nil {
			return err
		}
	}
	return nil
}}

// offline takes a node off the network altogether: clients, balancer and Kafka do not
// reach it either.
var offline = Fault{Name: "off the network", Long: true, Network: true, Apply: func(ctx context.Context, c *Cluster) error {
	i := c.victim(ctx, false)
	d := directions[rand.IntN(len(directions))]
	c.Log("take n%d off the network, %v", i+1, d)
	place := c.Nodes[i].Place
	defer place.Heal()
	if err := place.Cut(d, stage.All); err != nil {
		return err
	}
	return waitfor.Time(ctx, 4*isolatedFor)
}}

// victim is the stream's leader as often as not, if anybody leads. In a plain test
// it is the leader when that is asked for, and else another node.
func (c *Cluster) victim(ctx context.Context, leader bool) int {
	led, err := c.leader(ctx)
	if atLength() {
		leader = rand.IntN(2) == 0
	}
	switch {
	case err == nil && leader:
		return led
	case err == nil:
		return (led + 1 + rand.IntN(len(c.Nodes)-1)) % len(c.Nodes)
	}
	return rand.IntN(len(c.Nodes))
}
