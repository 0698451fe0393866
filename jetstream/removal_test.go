package jetstream

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/internal/testlog"
	"weft/jetstream/api"
	"weft/jetstream/cluster"
	"weft/jetstream/event"
	"weft/jetstream/kv"
	"weft/jetstream/server"
)

// healthy reports whether every group has a leader and three current copies, on
// the nodes named.
func healthy(n *Node, names ...string) bool {
	groups := n.Cluster().Groups(context.Background())
	for _, g := range groups {
		if g.Leader == "" || len(g.Replicas) != len(names) {
			return false
		}
		for i, r := range g.Replicas {
			if r.Node != names[i] || !r.Current || r.Lag != 0 {
				return false
			}
		}
	}
	return len(groups) > 2
}

// member is a fourth configuration that knows the others.
func member(t *testing.T, name string, others []Config) Config {
	cfg := testConfig(t)
	cfg.Node.Name = name
	c := *others[0].Cluster
	c.Listen = freeAddress(t)
	cfg.Cluster = &c
	return cfg
}

func TestADeadNodeIsRemovedAndReplacedAndStaysAway(t *testing.T) {
	t.Parallel()
	configs := clusterConfigs(t, 3, 3)
	nodes := openCluster(t, configs)
	waitFor(t, func() bool { return healthy(nodes[0], "n1", "n2", "n3") })
	const events = 50
	for i := range events {
		if _, err := nodes[0].Store().Publish(t.Context(), event.Event{Subject: fmt.Sprintf("user.u%d", i), Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := nodes[0].Cluster().Remove(t.Context(), "n9"); !errors.Is(err, cluster.ErrNoMember) {
		t.Errorf("remove an unknown node: %v", err)
	}
	for _, name := range []string{"n1", "n2", "n3"} {
		if err := nodes[0].Cluster().Remove(t.Context(), name); !errors.Is(err, cluster.ErrAlive) {
			t.Errorf("remove %s, which is alive: %v", name, err)
		}
	}

	nodes[2].Close()
	unknown := false // whether a try that nobody answered removed it
	waitFor(t, func() bool {
		err := nodes[0].Cluster().Remove(t.Context(), "n3")
		switch {
		case errors.Is(err, api.ErrUnavailable):
			unknown = true
		case unknown && errors.Is(err, cluster.ErrNoMember):
			return true
		case err != nil && !errors.Is(err, cluster.ErrAlive):
			t.Fatal(err)
		}
		return err == nil
	})
	waitFor(t, func() bool { return healthy(nodes[0], "n1", "n2") })
	if err := nodes[1].Cluster().Remove(t.Context(), "n3"); !errors.Is(err, cluster.ErrNoMember) {
		t.Errorf("remove a node again: %v", err)
	}

	fourth := openCluster(t, []Config{member(t, "n4", configs)})[0]
	waitFor(t, func() bool { return healthy(nodes[0], "n1", "n2", "n4") })
	nodes[0].Close()
	for i := range events {
		waitFor(t, func() bool {
			head, err := fourth.Store().Head(t.Context(), fmt.Sprintf("user.u%d", i))
			return err == nil && head > 0
		})
	}
	nodes[0] = openCluster(t, configs[:1])[0]
	waitFor(t, func() bool { return healthy(nodes[1], "n1", "n2", "n4") })

	for range 2 { // the second time it does not even ask
		back := New(configs[2], testlog.To(t), prometheus.NewRegistry())
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if err := back.Open(ctx); !errors.Is(err, server.ErrRemoved) {
			t.Errorf("a removed node comes back: %v", err)
		}
		cancel()
	}
	waitFor(t, func() bool { return healthy(nodes[1], "n1", "n2", "n4") })
}

func TestANodeThatWasRemovedWhileItWasCutOffStops(t *testing.T) {
	t.Parallel()
	configs := clusterConfigs(t, 3, 3)
	nodes := openCluster(t, configs)
	waitFor(t, func() bool { return healthy(nodes[0], "n1", "n2", "n3") })
	removed := kv.Message(kv.Nodes, server.PeerID("n3"), []byte(`{"node":"n3","removed":true}`), 0)
	if err := kv.Put(t.Context(), nodes[0].client.Conn, removed); err != nil {
		t.Fatal(err)
	}
	running := make(chan error, 1)
	go func() { running <- nodes[2].Run(t.Context()) }()
	// It is cut off and meets the others again.
	nodes[2].srv.Stop()
	waitFor(t, nodes[2].cutOff)
	if err := nodes[2].srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-running:
		if !errors.Is(err, server.ErrRemoved) {
			t.Errorf("it stops with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it runs on")
	}
	if err := nodes[2].Close(); err != nil {
		t.Error(err)
	}
	waitFor(t, func() bool { return healthy(nodes[0], "n1", "n2") })
}

func TestANodeThatLostItsDiskNeedsNoRemoval(t *testing.T) {
	t.Parallel()
	configs := clusterConfigs(t, 3, 3)
	nodes := openCluster(t, configs)
	if _, err := nodes[0].Store().Publish(t.Context(), event.Event{Subject: "user.ann", Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return healthy(nodes[0], "n1", "n2", "n3") })
	nodes[2].Close()
	configs[2].Node.DataDir = t.TempDir()
	nodes[2] = openCluster(t, configs[2:])[0]
	waitFor(t, func() bool { return healthy(nodes[2], "n1", "n2", "n3") && nodes[2].Ready() == nil })
}

func TestNobodyIsRemovedWithoutAMajority(t *testing.T) {
	t.Parallel()
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	waitFor(t, func() bool { return healthy(nodes[0], "n1", "n2", "n3") })
	nodes[1].Close()
	nodes[2].Close()
	waitFor(t, func() bool {
		err := nodes[0].Cluster().Remove(t.Context(), "n3")
		if err == nil {
			t.Fatal("it was removed")
		}
		return errors.Is(err, cluster.ErrNoMajority) || errors.Is(err, api.ErrUnavailable)
	})
}

func TestAStandaloneNodeRemovesNobody(t *testing.T) {
	if err := open(t, testConfig(t)).Cluster().Remove(t.Context(), "n1"); !errors.Is(err, cluster.ErrNoMember) {
		t.Errorf("%v", err)
	}
}
