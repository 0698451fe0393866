package stage

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

// ClusterSize is how many nodes StartCluster starts.
const ClusterSize = 3

// PerNode is the value of a setting that is not the same on all nodes: one value for
// each, nil for what it would be without.
type PerNode []any

// ClockSetting is the key of what is no setting: a PerNode of Clocks, for nodes of a cluster
// that have their own.
const ClockSetting = "clock"

// StartCluster starts three nodes on loopback, n1 to n3, that share one secret,
// and waits until all are ready. settings are added to those of every node;
// a PerNode holds those of one node each.
func StartCluster(t testing.TB, ctx context.Context, settings map[string]any) []*Node {
	t.Helper()
	nodes := make([]*Node, ClusterSize)
	addresses := make([]string, ClusterSize)
	for i := range nodes {
		nodes[i] = NewNode(t, Settings(t.TempDir()))
		addresses[i] = FreeAddress(t)
	}
	launchCluster(nodes, addresses, settings)
	awaitCluster(ctx, nodes)
	return nodes
}

// The user and the token that nodes in places ask for, whose ports are not on
// loopback.
const (
	Publisher         = "publisher"
	PublisherPassword = "a password of the tests"
	AdminToken        = "a token of the tests"
)

// StartCluster is like the function of that name with each node in a place of its
// own, on the ports that Weft has by default.
func (n *Network) StartCluster(t testing.TB, ctx context.Context, settings map[string]any) []*Node {
	t.Helper()
	nodes := make([]*Node, len(n.Places))
	addresses := make([]string, len(nodes))
	for i, p := range n.Places {
		nodes[i] = NewNode(t, Settings(t.TempDir()).
			With("node.listen", p.Address+":4222").
			With("node.users", []any{map[string]any{"name": Publisher, "password": PublisherPassword, "role": "publisher"}}).
			With("public.listen", p.Address+":4000").
			With("admin.listen", p.Address+":4010").
			With("admin.token", AdminToken))
		nodes[i].Place = p
		addresses[i] = p.Address + ":6222"
	}
	launchCluster(nodes, addresses, settings)
	awaitCluster(ctx, nodes)
	return nodes
}

func launchCluster(nodes []*Node, addresses []string, settings map[string]any) {
	for i, n := range nodes {
		n.Config.With("node.name", fmt.Sprintf("n%d", i+1)).
			With("public.drain_delay", "0s").
			With("public.drain_window", "500ms").
			With("cluster.listen", addresses[i]).
			With("cluster.seeds", addresses).
			With("cluster.secret", "a secret of the tests")
		for key, value := range settings {
			if each, ok := value.(PerNode); ok {
				value = each[i]
			}
			if clock, ok := value.(*Clock); ok && key == ClockSetting {
				n.Clock = clock
			} else if value != nil {
				n.Config.With(key, value)
			}
		}
		n.Launch()
	}
}

// awaitCluster waits until all have been ready, and then until they are at the same time:
// one that was may not be while another one comes.
func awaitCluster(ctx context.Context, nodes []*Node) {
	for _, n := range nodes {
		n.AwaitReady(ctx)
	}
	unready := func(n *Node) bool { return !n.isReady(ctx) }
	for slices.ContainsFunc(nodes, unready) {
		select {
		case <-ctx.Done():
			nodes[0].t.Fatalf("wait until all nodes are ready: %v", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (n *Node) isReady(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.AdminURL()+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}
