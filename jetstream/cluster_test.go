package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/config/testkit/freeport"
	"weft/config/testkit/slow"
	"weft/config/testkit/testlog"
	"weft/config/testkit/waitfor"
	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/server"
)

// freeAddress returns an address that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	list, err := freeport.Addresses("127.0.0.1", 1)
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

// clusterConfigs are those of n nodes that know each other by seeds.
func clusterConfigs(t testing.TB, n int, seeds int) []Config {
	slow.Test(t, "nodes to meet and to elect")
	list := make([]Config, n)
	var addrs []string
	for range n {
		addrs = append(addrs, freeAddress(t))
	}
	for i := range list {
		list[i] = testConfig(t)
		list[i].Node.Name = fmt.Sprintf("n%d", i+1)
		c := server.ClusterConfig{}
		c.Listen, c.Seeds, c.Secret = addrs[i], addrs[:seeds], "s3cret"
		c.Complete()
		list[i].Cluster = &c
	}
	return list
}

// openCluster opens nodes side by side.
func openCluster(t testing.TB, configs []Config) []*Node {
	t.Helper()
	nodes := make([]*Node, len(configs))
	var opening sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for i, cfg := range configs {
		nodes[i] = New(cfg, testlog.To(t), prometheus.NewRegistry())
		opening.Go(func() {
			if err := nodes[i].Open(ctx); err != nil {
				t.Errorf("open %s: %v", cfg.Node.Name, err)
			}
		})
		t.Cleanup(func() { nodes[i].Close() })
	}
	opening.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return nodes
}

func TestThreeNodesFormAClusterFromOneSeed(t *testing.T) {
	t.Parallel()
	nodes := openCluster(t, clusterConfigs(t, 3, 1))
	ack, err := nodes[0].Store().Publish(t.Context(), event.Event{Subject: "user.ann", Data: []byte("1")})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		if n.Store().StreamID() != nodes[0].Store().StreamID() {
			t.Errorf("%s has another stream", n.Name())
		}
		if head, err := n.Store().Head(t.Context(), "user.ann"); err != nil || head != ack.Seq {
			t.Errorf("%s: head %d, %v", n.Name(), head, err)
		}
	}
	if err := nodes[1].Blacklist().Put(t.Context(), "s1", "", 0); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		waitfor.True(t, func() bool { return n.Blacklist().Revoked("s1", "", time.Time{}) })
	}
	for _, n := range nodes {
		waitfor.True(t, func() bool { return n.Ready() == nil })
	}
	nodes[2].Close()
	waitfor.True(t, func() bool { up, _ := nodes[0].Cluster().Links().Count(); return up == 1 })
	if err := nodes[0].Ready(); err != nil {
		t.Errorf("two of three: %v", err)
	}
	nodes[1].Close()
	waitfor.True(t, func() bool { return errors.Is(nodes[0].Ready(), api.ErrIsolated) })
	if _, err := nodes[0].Store().Publish(t.Context(), event.Event{Subject: "user.ann"}); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("publish in a minority: %v", err)
	}
}

func TestANodeAloneWaitsForTheOthers(t *testing.T) {
	configs := clusterConfigs(t, 3, 3)
	n := New(configs[0], testlog.To(t), prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Open(ctx) }()
	waitfor.True(t, func() bool { err := n.Ready(); return err != nil && n.waiting.Load() != nil })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
}

func TestANodeWithAnotherSecretIsRefused(t *testing.T) {
	t.Parallel()
	configs := clusterConfigs(t, 3, 3)
	configs[2].Cluster.Secret = "wrong"
	var opening sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	for _, cfg := range configs {
		n := New(cfg, testlog.To(t), prometheus.NewRegistry())
		opening.Go(func() {
			if err := n.Open(ctx); err == nil {
				t.Errorf("%s is in a cluster", cfg.Node.Name)
				n.Close()
			}
		})
	}
	opening.Wait()
}

// A seed that is unknown at first, and a node's own address among the seeds, are
// no obstacle.
func TestAClusterFormsWithASeedThatNobodyKnows(t *testing.T) {
	t.Parallel()
	configs := clusterConfigs(t, 3, 3)
	for i := range configs {
		configs[i].Cluster.Seeds = append([]string{"not-there.invalid:6222"}, configs[i].Cluster.Seeds...)
	}
	nodes := openCluster(t, configs)
	for _, n := range nodes {
		waitfor.True(t, func() bool { return n.Ready() == nil })
	}
	nodes[0].Close()
	if _, err := nodes[1].Store().Publish(t.Context(), event.Event{Subject: "user.ann", ID: event.Operators.KeyID("1", 0)}); err != nil {
		t.Errorf("with two of three: %v", err)
	}
}
