package jetstream

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/internal/testlog"
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
	waitFor(t, func() bool { return needed(leader.Groups(t.Context()), leader.Name()) == "" })

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
	if err := leader.HandOver(t.Context()); err != nil {
		t.Error(err)
	}
	for _, g := range other.Groups(t.Context()) {
		if g.Leader == leader.Name() || g.Leader == "" {
			t.Errorf("%s is led by %q", g.Name, g.Leader)
		}
	}
	stop()
	if err := <-failed; err != nil {
		t.Errorf("publish: %v", err)
	}
	if err := leader.HandOver(t.Context()); err != nil {
		t.Errorf("with nothing to give: %v", err)
	}
}

// A node does not hurry away while the others have no majority without it.
func TestANodeThatStopsWaitsForOneThatIsAway(t *testing.T) {
	t.Parallel()
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	waitFor(t, func() bool { return needed(nodes[0].Groups(t.Context()), "n1") == "" })
	if err := nodes[2].Close(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return needed(nodes[0].Groups(t.Context()), "n1") != "" })
	const patience = 700 * time.Millisecond
	impatient, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	begun := time.Now()
	_ = nodes[0].HandOver(impatient) // what it leads it may still lead: the time was over
	if d := time.Since(begun); d < patience {
		t.Errorf("it went after %v", d)
	}
	back := New(nodes[2].cfg, testlog.To(t), prometheus.NewRegistry())
	if err := back.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	begun = time.Now()
	if err := nodes[0].HandOver(t.Context()); err != nil {
		t.Error(err)
	}
	if needed(nodes[1].Groups(t.Context()), "n1") != "" && time.Since(begun) < PatienceToStop {
		t.Error("it went although it was needed")
	}
}

func TestWhoIsNeededAndWhoIsToLead(t *testing.T) {
	current := func(node string) Replica { return Replica{Node: node, Current: true} }
	tests := map[string]struct {
		replicas []Replica
		needed   bool
		heir     string
	}{
		"all current":       {[]Replica{current("n1"), current("n2"), {Node: "n3", Lag: 2}}, false, "n2"},
		"one far behind":    {[]Replica{current("n1"), {Node: "n2", Lag: nearly + 1}, current("n3")}, true, "n3"},
		"one away":          {[]Replica{current("n1"), {Node: "n2", Current: true, Offline: true}, current("n3")}, true, "n3"},
		"two away":          {[]Replica{current("n1"), {Node: "n2", Offline: true}, {Node: "n3", Offline: true}}, true, ""},
		"one of five away":  {[]Replica{current("n1"), {Node: "n2", Offline: true}, current("n3"), current("n4"), current("n5")}, false, "n3"},
		"nobody leads":      {nil, true, ""},
		"the nearest leads": {[]Replica{current("n1"), {Node: "n2", Lag: 9}, {Node: "n3", Lag: 3}}, false, "n3"},
	}
	for name, tt := range tests {
		groups := []Group{{Name: "g", Leader: "n1", Replicas: tt.replicas}}
		if got := needed(groups, "n1") == "g"; got != tt.needed {
			t.Errorf("%s: needed %v, want %v", name, got, tt.needed)
		}
		if got := groups[0].heir("n1"); got != tt.heir {
			t.Errorf("%s: heir %q, want %q", name, got, tt.heir)
		}
	}
}
