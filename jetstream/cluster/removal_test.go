package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"weft/config/testkit/freeport"
	"weft/config/testkit/waitfor"
	"weft/jetstream/api"
	"weft/jetstream/cluster"
	"weft/jetstream/event"
	"weft/jetstream/kv"
	"weft/jetstream/server"
)

// healthy reports whether every group has a leader and three current copies, on
// the nodes named.
func healthy(n *member, names ...string) bool {
	groups := n.Groups(context.Background())
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

// fourth is a configuration of a node that knows the others.
func fourth(t *testing.T, others []server.Config) server.Config {
	t.Helper()
	addrs, err := freeport.Addresses("127.0.0.1", 1)
	if err != nil {
		t.Fatal(err)
	}
	cfg := alone(t)
	cfg.Node.Name = "n4"
	c := *others[0].Cluster
	c.Listen = addrs[0]
	cfg.Cluster = &c
	return cfg
}

func TestADeadNodeIsRemovedAndReplacedAndStaysAway(t *testing.T) {
	t.Parallel()
	configs := three(t)
	nodes := open(t, configs...)
	waitfor.True(t, func() bool { return healthy(nodes[0], "n1", "n2", "n3") })
	const events = 50
	for i := range events {
		if _, err := nodes[0].store.Publish(t.Context(), event.Event{Subject: fmt.Sprintf("user.u%d", i), Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := nodes[0].Remove(t.Context(), "n9"); !errors.Is(err, cluster.ErrNoMember) {
		t.Errorf("remove an unknown node: %v", err)
	}
	for _, name := range []string{"n1", "n2", "n3"} {
		if err := nodes[0].Remove(t.Context(), name); !errors.Is(err, cluster.ErrAlive) {
			t.Errorf("remove %s, which is alive: %v", name, err)
		}
	}

	nodes[2].close()
	unknown := false // whether a try that nobody answered removed it
	waitfor.True(t, func() bool {
		err := nodes[0].Remove(t.Context(), "n3")
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
	waitfor.True(t, func() bool { return healthy(nodes[0], "n1", "n2") })
	if err := nodes[1].Remove(t.Context(), "n3"); !errors.Is(err, cluster.ErrNoMember) {
		t.Errorf("remove a node again: %v", err)
	}

	n4 := open(t, fourth(t, configs))[0]
	waitfor.True(t, func() bool { return healthy(nodes[0], "n1", "n2", "n4") })
	nodes[0].close()
	for i := range events {
		waitfor.True(t, func() bool {
			head, err := n4.store.Head(t.Context(), fmt.Sprintf("user.u%d", i))
			return err == nil && head > 0
		})
	}
	nodes[0] = open(t, configs[:1]...)[0]
	waitfor.True(t, func() bool { return healthy(nodes[1], "n1", "n2", "n4") })

	for range 2 { // the second time it does not even ask
		back := newMember(t, configs[2])
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if err := back.open(ctx); !errors.Is(err, server.ErrRemoved) {
			t.Errorf("a removed node comes back: %v", err)
		}
		cancel()
	}
	waitfor.True(t, func() bool { return healthy(nodes[1], "n1", "n2", "n4") })
}

func TestANodeThatWasRemovedWhileItWasCutOffStops(t *testing.T) {
	t.Parallel()
	configs := three(t)
	nodes := open(t, configs...)
	waitfor.True(t, func() bool { return healthy(nodes[0], "n1", "n2", "n3") })
	waitfor.True(t, func() bool { return nodes[2].ready() == nil }) // it has asked whether it is a member
	removed := kv.Message(kv.Nodes, server.PeerID("n3"), []byte(`{"node":"n3","removed":true}`), 0)
	if err := kv.Put(t.Context(), nodes[0].client.Conn, removed); err != nil {
		t.Fatal(err)
	}
	// It is cut off and meets the others again.
	nodes[2].srv.Stop()
	waitfor.True(t, nodes[2].Links().CutOff)
	if err := nodes[2].srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-nodes[2].Removed():
		if !errors.Is(err, server.ErrRemoved) {
			t.Errorf("it stops with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it runs on")
	}
	nodes[2].close()
	waitfor.True(t, func() bool { return healthy(nodes[0], "n1", "n2") })
}

func TestANodeThatLostItsDiskNeedsNoRemoval(t *testing.T) {
	t.Parallel()
	configs := three(t)
	nodes := open(t, configs...)
	if _, err := nodes[0].store.Publish(t.Context(), event.Event{Subject: "user.ann", Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool { return healthy(nodes[0], "n1", "n2", "n3") })
	nodes[2].close()
	configs[2].Node.DataDir = t.TempDir()
	nodes[2] = open(t, configs[2:]...)[0]
	waitfor.True(t, func() bool { return healthy(nodes[2], "n1", "n2", "n3") && nodes[2].ready() == nil })
}

func TestNobodyIsRemovedWithoutAMajority(t *testing.T) {
	t.Parallel()
	nodes := open(t, three(t)...)
	waitfor.True(t, func() bool { return healthy(nodes[0], "n1", "n2", "n3") })
	nodes[1].close()
	nodes[2].close()
	waitfor.True(t, func() bool {
		err := nodes[0].Remove(t.Context(), "n3")
		if err == nil {
			t.Fatal("it was removed")
		}
		return errors.Is(err, cluster.ErrNoMajority) || errors.Is(err, api.ErrUnavailable)
	})
}

func TestAStandaloneNodeRemovesNobody(t *testing.T) {
	if err := open(t, alone(t))[0].Remove(t.Context(), "n1"); !errors.Is(err, cluster.ErrNoMember) {
		t.Errorf("%v", err)
	}
}
