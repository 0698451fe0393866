package clientchaos

import (
	"context"
	"math/rand/v2"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// downFor is how long a node stays away after a kill.
const downFor = time.Second

func (w *World) anyNode() *stage.Node { return w.Nodes[rand.IntN(len(w.Nodes))] }

// killed ends a node with SIGKILL.
var killed = Fault{Name: "node killed", Nodes: true, Apply: func(ctx context.Context, w *World) error {
	n := w.anyNode()
	w.Log("kill %s", n.Config["node.name"])
	n.Kill()
	if err := waitfor.Time(ctx, downFor); err != nil {
		return err
	}
	n.Launch()
	return nil
}}

// allKilled ends all nodes at once; they come back with what they have stored.
var allKilled = Fault{Name: "all nodes killed", Nodes: true, Apply: func(ctx context.Context, w *World) error {
	for _, n := range w.Nodes {
		n.Kill()
	}
	if err := waitfor.Time(ctx, 5*time.Second); err != nil {
		return err
	}
	for _, n := range w.Nodes {
		n.Launch()
	}
	return nil
}}

// drained lets a node send its clients away and end.
var drained = Fault{Name: "node drained", Nodes: true, Apply: func(ctx context.Context, w *World) error {
	n := w.anyNode()
	w.Log("stop %s", n.Config["node.name"])
	n.Stop()
	n.Launch()
	return nil
}}

// rollingRestart drains each node in its turn, as an upgrade does.
var rollingRestart = Fault{Name: "rolling restart", Nodes: true, Apply: func(ctx context.Context, w *World) error {
	for _, n := range w.Nodes {
		n.Stop()
		n.Launch()
		if err := w.awaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}}

// cutOff takes a node from the others for longer than it goes on alone.
var cutOff = Fault{Name: "node cut off", Nodes: true, Apply: func(ctx context.Context, w *World) error {
	n := w.anyNode()
	w.Log("cut %s off", n.Config["node.name"])
	defer n.Place.Heal()
	if err := n.Place.Cut(stage.Both, stage.Peers); err != nil {
		return err
	}
	return waitfor.Time(ctx, length(isolatedFor+time.Second, 3*isolatedFor))
}}

// balancerReloaded lets a new process take over; the one before cuts after a second.
var balancerReloaded = Fault{Name: "balancer reloaded", Apply: func(ctx context.Context, w *World) error {
	w.Balancer.Reload(ctx)
	return waitfor.Time(ctx, 1300*time.Millisecond)
}}

// balancerKilled takes the balancer away for a while.
var balancerKilled = Fault{Name: "balancer killed", Apply: func(ctx context.Context, w *World) error {
	w.Balancer.Process().Kill()
	if err := waitfor.Time(ctx, length(time.Second, 5*time.Second)); err != nil {
		return err
	}
	w.Balancer.Restart(ctx)
	return nil
}}
