package bench

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"weft/test/stage"
)

// interestBar is what a user of another node may cost a node, in bytes of live heap.
const interestBar = 700

// BenchmarkInterestOfUsers is what 100,000 users cost the nodes of a cluster of three that
// they are not connected to: that each of these knows in memory who is online. A third of
// the users comes to each node, one node after the other, and what the other two keep of
// them is measured once these rest: the live heap, which has the bar, and by how much the
// process has grown, the collector's reserve included. The clients follow 250 inboxes each, as a
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
		var resident, live []float64
		before := footprints(ctx, b, nodes)
		for at, n := range nodes {
			var here []string
			for i := at; i < users; i += len(nodes) {
				here = append(here, fmt.Sprintf("user.u%06d", i))
			}
			followMany(b, n, stage.Claims{"roles": []string{"support"}}, here, func(int) {})
			after := footprints(ctx, b, nodes)
			for i := range nodes {
				if i == at {
					continue
				}
				keeps, grows := (after[i].live-before[i].live)/float64(len(here)), (after[i].resident-before[i].resident)/float64(len(here))
				live, resident = append(live, keeps), append(resident, grows)
				b.Logf("%d users come to node %d: node %d keeps %.0f bytes of each, and grows by %.0f", len(here), at+1, i+1, keeps, grows)
			}
			before = after
		}
		mean := sum(live) / float64(len(live))
		b.ReportMetric(mean, "B/remote-user")
		b.ReportMetric(sum(resident)/float64(len(resident)), "resident-B/remote-user")
		b.ReportMetric(interestBar, "bar")
		b.ReportMetric(0, "ns/op") // says nothing here
		switch {
		case mean > interestBar:
			b.Logf("OVER THE BAR: a user of another node costs %.0f bytes, and may cost %d", mean, interestBar)
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

// A footprint is the memory of a process in bytes: all that is resident, and what of its
// heap is in use and no garbage.
type footprint struct{ resident, live float64 }

// footprints measures nodes that rest: a while after each has collected its garbage, which
// it does at least every two minutes.
func footprints(ctx context.Context, b *testing.B, nodes []*stage.Node) []footprint {
	b.Helper()
	const looks = 5 // of which the least counts: each makes garbage itself
	all, began, seen := make([]footprint, len(nodes)), make([]float64, len(nodes)), make([]int, len(nodes))
	for slices.Min(seen) < looks {
		for i, n := range nodes {
			collected := metric(b, n, "go_memstats_last_gc_time_seconds")
			switch {
			case began[i] == 0:
				began[i], all[i].live = collected, math.Inf(1)
			case collected != began[i]:
				seen[i]++
				all[i].live = min(all[i].live, metric(b, n, "go_memstats_heap_alloc_bytes"))
			}
		}
		pause(ctx, b)
	}
	for i, n := range nodes {
		rss, err := n.Process().RSS()
		if err != nil {
			b.Fatal(err)
		}
		all[i].resident = float64(rss)
	}
	return all
}

func pause(ctx context.Context, b *testing.B) {
	b.Helper()
	select {
	case <-ctx.Done():
		b.Fatal(ctx.Err())
	case <-time.After(time.Second):
	}
}
