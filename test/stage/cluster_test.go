package stage

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A node that is cut off from its peers says so to the balancer's check, which
// still reaches it, while the others stay ready; healed it is ready again.
func TestAClusterInPlacesNoticesACut(t *testing.T) {
	if !HasNetwork() {
		t.Skip("run the tests as root to have this one")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	nodes := NewNetwork(t, ClusterSize).StartCluster(t, ctx, nil)
	if err := nodes[0].Place.Cut(Both, Peers); err != nil {
		t.Fatal(err)
	}
	awaitReadiness(t, ctx, nodes[0], http.StatusServiceUnavailable)
	for _, n := range nodes[1:] {
		awaitReadiness(t, ctx, n, http.StatusOK)
	}
	nodes[0].Place.Heal()
	awaitReadiness(t, ctx, nodes[0], http.StatusOK)
	nodes[1].NATS().Close()
}

func awaitReadiness(t *testing.T, ctx context.Context, n *Node, want int) {
	t.Helper()
	last := "no answer"
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		answer, err := http.Get(n.AdminURL() + "/readyz")
		if err == nil {
			body, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if answer.StatusCode == want {
				return
			}
			last = fmt.Sprintf("%d %s", answer.StatusCode, strings.TrimSpace(string(body)))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s does not answer %d at /readyz: %s, %v", n.Config["node.name"], want, last, err)
		}
	}
}
