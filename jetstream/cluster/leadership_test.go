package cluster_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/jetstream/cluster"
	"weft/jetstream/event"
)

// Whoever leads gives all of it away, and nothing of what is published meanwhile
// is lost or refused.
func TestANodeThatStopsHandsItsLeadershipOver(t *testing.T) {
	t.Parallel()
	nodes := open(t, three(t)...)
	state, err := nodes[0].store.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(nodes, func(n *member) bool { return n.name() == state.Leader })
	leader, other := nodes[at], nodes[(at+1)%len(nodes)]
	waitfor.True(t, func() bool { return cluster.Needed(leader.Groups(t.Context()), leader.name()) == "" })

	publishing, stop := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		for i := 0; publishing.Err() == nil; i++ {
			e := event.Event{Subject: "user.ann", ID: event.Operators.KeyID("ann", i), Data: []byte("1")}
			if _, err := other.store.Publish(t.Context(), e); err != nil {
				failed <- err
				return
			}
		}
	}()
	if err := leader.HandOver(t.Context()); err != nil {
		t.Error(err)
	}
	for _, g := range other.Groups(t.Context()) {
		if g.Leader == leader.name() || g.Leader == "" {
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
	nodes := open(t, three(t)...)
	waitfor.True(t, func() bool { return cluster.Needed(nodes[0].Groups(t.Context()), "n1") == "" })
	nodes[2].close()
	waitfor.True(t, func() bool { return cluster.Needed(nodes[0].Groups(t.Context()), "n1") != "" })
	const patience = 700 * time.Millisecond
	impatient, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	begun := time.Now()
	_ = nodes[0].HandOver(impatient) // what it leads it may still lead: the time was over
	if d := time.Since(begun); d < patience {
		t.Errorf("it went after %v", d)
	}
	back := newMember(t, nodes[2].cfg)
	if err := back.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer back.close()
	begun = time.Now()
	waitfor.True(t, func() bool { return nodes[0].HandOver(t.Context()) == nil }) // an election may take long
	if cluster.Needed(nodes[1].Groups(t.Context()), "n1") != "" && time.Since(begun) < cluster.HandOverTimeout {
		t.Error("it went although it was needed")
	}
}
