package fault

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/client"
	"weft/test/stage"
)

const (
	// divergedCut is for how long the leader is cut off while its publishers go on.
	divergedCut = 8 * time.Second
	// followsAgain bounds how long its copy may take to follow the new leader, and the node
	// to be ready.
	followsAgain = 30 * time.Second
)

// A node that led the stream when it was cut off has stored what no other node agreed to.
// It takes all of that back at once when it is there again, and does not say that it is
// ready before.
func TestALeaderThatWasCutOffFollowsAgainSoon(t *testing.T) {
	if !stage.HasNetwork() {
		t.Log("WARNING: not run: no private network")
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := &Cluster{Log: logger(t)}
	c.Nodes = stage.NewNetwork(t, stage.ClusterSize).StartCluster(t, ctx, map[string]any{"cluster.isolated_for": isolatedFor.String(), "events.max_per_subject": kept})
	led, err := c.leader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	other := (led + 1) % len(c.Nodes)
	publishing, stop := context.WithCancel(ctx)
	defer stop()
	var publishers sync.WaitGroup
	// One publisher floods the leader without asking what becomes of it, the other waits for
	// each acknowledgement.
	flood, asking := c.Nodes[led].NATS(), c.Nodes[other].NATS()
	defer flood.Close()
	defer asking.Close()
	publishers.Go(func() {
		for n := 0; waitfor.Time(publishing, 2*time.Millisecond) == nil; n++ {
			_ = flood.Publish(fmt.Sprintf("user.u%d", n%100), fmt.Appendf(nil, `{"n":%d}`, n))
		}
	})
	acknowledged := map[string]bool{}
	publishers.Go(func() {
		for n := 0; waitfor.Time(publishing, 2*time.Millisecond) == nil; n++ {
			body := fmt.Sprintf(`{"n":%d}`, n)
			if m, err := asking.Request("user.kept", []byte(body), time.Second); err == nil && !strings.Contains(string(m.Data), "error") {
				acknowledged[body] = true
			}
		}
	})
	if err := waitfor.Time(ctx, time.Second); err != nil {
		t.Fatal(err)
	}
	c.Log("cut n%d off, which leads", led+1)
	if err := c.Nodes[led].Place.Cut(stage.Both, stage.Peers); err != nil {
		t.Fatal(err)
	}
	if err := waitfor.Time(ctx, divergedCut); err != nil {
		t.Fatal(err)
	}
	c.Nodes[led].Place.Heal()
	healed := time.Now()
	c.Log("healed")
	var ready, follows time.Duration
	for last := ""; ready == 0 || follows == 0; {
		why := c.readiness(ctx, led)
		groups, err := c.groups(ctx, other)
		behindBy, known := lag(groups, c.Nodes[led])
		if now := fmt.Sprint(why); now != last {
			c.Log("%v after: behind by %d: %s", time.Since(healed).Round(time.Millisecond), behindBy, now)
			last = now
		}
		if why == nil && ready == 0 {
			ready = time.Since(healed)
			if known && behindBy > mostlyBehind {
				t.Errorf("the node is ready although its copy is behind by %d", behindBy)
			}
		}
		if err == nil && known && behindBy < mostlyBehind && why == nil {
			follows = time.Since(healed)
		}
		if err := waitfor.Time(ctx, 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	c.Log("n%d was ready after %v, and followed after %v", led+1, ready, follows)
	if took := max(ready, follows); took > followsAgain {
		t.Errorf("the node followed after %v and was ready after %v, at most %v", follows, ready, followsAgain)
	}
	stop()
	publishers.Wait()
	r, err := client.Record(ctx, client.SSE, client.Target{URL: c.Nodes[led].URL(), Token: stage.Token(t, "kept", nil), Query: url.Values{"since": {"all"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	missing := func(events []client.Event) int {
		left := maps.Clone(acknowledged)
		for _, e := range events {
			delete(left, string(e.Data))
		}
		return len(left)
	}
	within, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := r.Await(within, func(events []client.Event) bool { return missing(events) == 0 }); err != nil {
		t.Errorf("of %d acknowledged events %d are not at the node: %v", len(acknowledged), missing(r.All()), err)
	}
}

// mostlyBehind is how many entries a copy may lack that follows a stream under load.
const mostlyBehind = 500

// lag is how far the stream's copy at a node is behind, if a leader says so.
func lag(groups []group, n *stage.Node) (uint64, bool) {
	for _, g := range groups {
		for _, r := range g.Replicas {
			if g.Name == "EVENTS" && r.Node == n.Config["node.name"] {
				return r.Lag, !r.Offline
			}
		}
	}
	return 0, false
}
