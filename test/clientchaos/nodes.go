package clientchaos

import (
	"context"
	"math/rand/v2"
	"time"
)

// downFor is how long a node stays away after a kill.
const downFor = time.Second

// killed ends a node with SIGKILL.
var killed = Fault{Name: "kill -9 of a node", Apply: func(ctx context.Context, w *World) error {
	n := w.Nodes[rand.IntN(len(w.Nodes))]
	w.Log("kill %s", n.Config["node.name"])
	n.Kill()
	if err := pause(ctx, downFor); err != nil {
		return err
	}
	n.Launch()
	return nil
}}
