package jetstream

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/internal/testlog"
	"weft/jetstream/cluster"
	"weft/jetstream/event"
)

// Whoever leads gives all of it away, and nothing of what is published meanwhile
// is lost or refused.
func TestANodeThatStopsHandsItsLeadershipOver(t *testing.T) {
	t.Parallel()
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	state, err := nodes[0].Store().State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(nodes, func(n *Node) bool { return n.Name() == state.Leader })
	leader, other := nodes[at], nodes[(at+1)%len(nodes)]
	waitFor(t, func() bool { return cluster.Needed(leader.Cluster().Groups(t.Context()), leader.Name()) == "" })

	publishing, stop := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		for i := 0; publishing.Err() == nil; i++ {
			e := event.Event{Subject: "user.ann", ID: event.Operators.KeyID("ann", i), Data: []byte("1")}
			if _, err := other.Store().Publish(t.Context(), e); err != nil {
				failed <- err
				return
			}
		}
	}()
	if err := leader.Cluster().HandOver(t.Context()); err != nil {
		t.Error(err)
	}
	for _, g := range other.Cluster().Groups(t.Context()) {
		if g.Leader == leader.Name() || g.Leader == "" {
			t.Errorf("%s is led by %q", g.Name, g.Leader)
		}
	}
	stop()
	if err := <-failed; err != nil {
		t.Errorf("publish: %v", err)
	}
	if err := leader.Cluster().HandOver(t.Context()); err != nil {
		t.Errorf("with nothing to give: %v", err)
	}
}

// A node does not hurry away while the others have no majority without it.
func TestANodeThatStopsWaitsForOneThatIsAway(t *testing.T) {
	t.Parallel()
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	waitFor(t, func() bool { return cluster.Needed(nodes[0].Cluster().Groups(t.Context()), "n1") == "" })
	if err := nodes[2].Close(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return cluster.Needed(nodes[0].Cluster().Groups(t.Context()), "n1") != "" })
	const patience = 700 * time.Millisecond
	impatient, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	begun := time.Now()
	_ = nodes[0].Cluster().HandOver(impatient) // what it leads it may still lead: the time was over
	if d := time.Since(begun); d < patience {
		t.Errorf("it went after %v", d)
	}
	back := New(nodes[2].cfg, testlog.To(t), prometheus.NewRegistry())
	if err := back.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	begun = time.Now()
	if err := nodes[0].Cluster().HandOver(t.Context()); err != nil {
		t.Error(err)
	}
	if cluster.Needed(nodes[1].Cluster().Groups(t.Context()), "n1") != "" && time.Since(begun) < cluster.HandOverTimeout {
		t.Error("it went although it was needed")
	}
}
