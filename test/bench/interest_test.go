package bench

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"weft/test/stage"
)

// interestBar is what a user of another node may cost a node, in bytes.
const interestBar = 700

// BenchmarkInterestOfUsers is what 100,000 users cost the nodes of a cluster of three that
// they are not connected to: that each of these knows in memory who is online. A third of
// the users comes to each node, one node after the other, and what the other two have
// grown by is measured once they rest. The clients follow 250 inboxes each, as a
// privileged token may, since an inbox is the same to the other nodes whoever follows it.
func BenchmarkInterestOfUsers(b *testing.B) {
	const (
		users = 100_000
		limit = 20 * time.Minute
	)
	ctx, cancel := context.WithTimeout(b.Context(), limit)
	defer cancel()
	nodes := stage.StartCluster(b, ctx, map[string]any{
		"auth.privileged": []any{map[string]any{"claim": "/roles", "any_of": []any{"support"}, "allow": []any{"user.*"}}},
	})
	b.Logf("%d users on %d nodes; %s", users, len(nodes), machine())
	for b.Loop() {
		var resident, heap []float64
		for at, n := range nodes {
			others := slices.DeleteFunc(slices.Clone(nodes), func(o *stage.Node) bool { return o == n })
			before := resting(ctx, b, others)
			var here []string
			for i := at; i < users; i += len(nodes) {
				here = append(here, fmt.Sprintf("u%06d", i))
			}
			for part := range slices.Chunk(here, perConnection) {
				var inboxes []string
				for _, user := range part {
					inboxes = append(inboxes, "user."+user)
				}
				followAlso(b, n, stage.Token(b, "watcher-"+part[0], stage.Claims{"roles": []string{"support"}}), inboxes, func(int) {})
			}
			after := resting(ctx, b, others)
			for i := range others {
				resident = append(resident, (after[i].resident-before[i].resident)/float64(len(here)))
				heap = append(heap, (after[i].heap-before[i].heap)/float64(len(here)))
				b.Logf("%d users come to node %d: another one grows by %.0f bytes each, its heap by %.0f",
					len(here), at+1, resident[len(resident)-1], heap[len(heap)-1])
			}
		}
		mean := sum(resident) / float64(len(resident))
		b.ReportMetric(mean, "B/remote-user")
		b.ReportMetric(sum(heap)/float64(len(heap)), "heap-B/remote-user")
		b.ReportMetric(interestBar, "bar")
		b.ReportMetric(0, "ns/op") // says nothing here
		switch {
		case mean > interestBar:
			b.Errorf("a user of another node costs %.0f bytes, and may cost %d", mean, interestBar)
		case mean < interestBar/20:
			b.Errorf("a user of another node costs %.0f bytes: the nodes cannot have heard of each", mean)
		}
	}
}

func sum(values []float64) (s float64) {
	for _, v := range values {
		s += v
	}
	return s
}

// A footprint is the memory of a process in bytes: all that is resident, and what its
// heap uses.
type footprint struct{ resident, heap float64 }

// resting measures nodes once they have given back what they do not need: when they do
// nothing a node looks after its heap every ten seconds.
func resting(ctx context.Context, b *testing.B, nodes []*stage.Node) []footprint {
	b.Helper()
	const (
		every = 12 * time.Second
		still = 0.01 // by how much of itself memory still moves
		looks = 12
	)
	measure := func() (f []footprint) {
		for _, n := range nodes {
			rss, err := n.Process().RSS()
			if err != nil {
				b.Fatal(err)
			}
			f = append(f, footprint{float64(rss), metric(b, n, "go_memstats_heap_inuse_bytes")})
		}
		return f
	}
	last := measure()
	for range looks {
		select {
		case <-ctx.Done():
			b.Fatal(ctx.Err())
		case <-time.After(every):
		}
		now := measure()
		rests := true
		for i := range now {
			change := now[i].resident - last[i].resident
			rests = rests && max(change, -change) < still*now[i].resident
		}
		if last = now; rests {
			break
		}
	}
	return last
}
