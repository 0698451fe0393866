package fault

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"weft/test/stage"
)

// narrow is what a node receives in a second: less than half of what a link may keep an
// answer waiting for.
const narrow = 4 << 20

// A node that lacks much keeps its links while it is sent that over a slow network: what is
// under way to it at once must not hold up the answers that show that it is alive.
func TestANodeThatCatchesUpOverASlowLinkKeepsIt(t *testing.T) {
	if _, err := exec.LookPath("tc"); err != nil || !stage.HasNetwork() {
		t.Log("WARNING: not run: no private network, or no tc")
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := &Cluster{Log: logger(t)}
	c.Nodes = stage.NewNetwork(t, stage.ClusterSize).StartCluster(t, ctx, nil)
	const away = 2
	if err := c.stop(ctx, away); err != nil {
		t.Fatal(err)
	}
	if err := c.flood(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if err := c.Nodes[away].Place.Narrow(narrow); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	c.Nodes[away].Launch()
	if err := c.awaitReady(ctx, away); err != nil {
		t.Fatal(err)
	}
	took, least := time.Since(began), floodEvents*floodBytes*time.Second/narrow
	c.Log("n%d was ready after %v", away+1, took)
	if took < least/2 {
		t.Errorf("n%d was ready after %v; the link was not narrow", away+1, took)
	}
	for _, line := range c.Nodes[away].Output() {
		if strings.Contains(line, "the link to a node is gone") {
			t.Errorf("n%d lost a link: %s", away+1, line)
		}
	}
}
