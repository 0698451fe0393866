package stage

import (
	"context"
	"fmt"
	"testing"
)

// ClusterSize is how many nodes StartCluster starts.
const ClusterSize = 3

// StartCluster starts three nodes on loopback, n1 to n3, that share one secret,
// and waits until all are ready. settings are added to those of every node.
func StartCluster(t testing.TB, ctx context.Context, settings map[string]any) []*Node {
	t.Helper()
	var addresses []any
	for range ClusterSize {
		addresses = append(addresses, FreeAddress(t))
	}
	nodes := make([]*Node, ClusterSize)
	for i := range nodes {
		c := Settings(t.TempDir()).
			With("node.name", fmt.Sprintf("n%d", i+1)).
			With("public.drain_window", "500ms").
			With("cluster.listen", addresses[i]).
			With("cluster.seeds", addresses).
			With("cluster.secret", "a secret of the tests")
		for key, value := range settings {
			c.With(key, value)
		}
		nodes[i] = NewNode(t, c)
		nodes[i].Launch()
	}
	for _, n := range nodes {
		n.AwaitReady(ctx)
	}
	return nodes
}
