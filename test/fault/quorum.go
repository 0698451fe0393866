package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"weft/config/testkit/waitfor"
)

// downTogether is how long two nodes are away at once.
const downTogether = 6 * time.Second

// twoDown kills two of three nodes. The third one must refuse what it cannot store,
// and say so rather than be silent.
var twoDown = Fault{Name: "two of three down", Apply: func(ctx context.Context, c *Cluster) error {
	left := rand.IntN(len(c.Nodes))
	c.Log("all but n%d are killed", left+1)
	for i, n := range c.Nodes {
		if i != left {
			n.Kill()
		}
	}
	back := time.Now().Add(downTogether)
	probe := newAdmin(c)
	probe.client.Timeout = 10 * time.Second // what is on its way when the others die is refused after 2 s
	defer probe.close()
	probe.origin = func() string { return c.Nodes[left].AdminURL() }
	for n := 1; time.Now().Before(back); n++ {
		status, answer, err := probe.post(ctx, "nobody", n)
		if err != nil {
			return fmt.Errorf("publish at a node without a majority: %w", err)
		}
		if status != http.StatusServiceUnavailable {
			return fmt.Errorf("publish at a node without a majority: status %d, want 503: %s", status, answer)
		}
		if err := waitfor.Time(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	for i, n := range c.Nodes {
		if i != left {
			n.Launch()
		}
	}
	return nil
}}
