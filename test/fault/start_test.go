package fault

import (
	"context"
	"os"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

const (
	// startPromise is within what a node is ready after its start, on an idle machine.
	startPromise = 2500 * time.Millisecond
	// staysReady is for how long a node that has said that it is ready must not say
	// otherwise.
	staysReady = 2 * time.Second
)

// A node says that it is ready within seconds of its start, in whichever way nodes start,
// and does not take that back.
func TestNodesAreReadySoonAndStaySo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := &Cluster{Log: logger(t)}
	begun := time.Now()
	c.Nodes = stage.StartCluster(t, ctx, nil)
	// judge waits until all nodes are ready, and holds them to it.
	judge := func(how string) {
		t.Helper()
		if err := c.AwaitReady(ctx); err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		took := time.Since(begun)
		c.Log("%s: ready after %v", how, took.Round(time.Millisecond))
		if os.Getenv("WEFT_FAULT_STRICT") == "1" && took > startPromise || took > readyLimit/2 {
			t.Errorf("%s: ready after %v, at most %v", how, took, startPromise)
		}
		for until := time.Now().Add(staysReady); time.Now().Before(until); {
			for i := range c.Nodes {
				if err := c.readiness(ctx, i); err != nil {
					t.Fatalf("%s: n%d was ready and is not: %v", how, i+1, err)
				}
			}
			if err := waitfor.Time(ctx, 20*time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
	}
	judge("the first time")

	if err := c.stop(ctx, 0); err != nil {
		t.Fatal(err)
	}
	begun = time.Now()
	c.Nodes[0].Launch()
	judge("one after SIGTERM")

	led, err := c.leader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c.Nodes[led].Kill()
	begun = time.Now()
	c.Nodes[led].Launch()
	judge("the leader after kill -9")

	for _, n := range c.Nodes {
		n.Kill()
	}
	begun = time.Now()
	for _, n := range c.Nodes {
		n.Launch()
	}
	judge("all at once after kill -9")
}
