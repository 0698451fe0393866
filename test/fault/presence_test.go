package fault

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"weft/test/client"
	"weft/test/stage"
)

// While nodes are cut off from each other, followers on both sides are told what their side
// knows, and that it is not all; afterwards all know all.
func TestPresenceInAPartitionIsNotComplete(t *testing.T) {
	if !stage.HasNetwork() {
		t.Log("WARNING: not run: no private network")
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	nodes := stage.NewNetwork(t, stage.ClusterSize).StartCluster(t, ctx, map[string]any{"auth.allow": []any{"presence.*"}, "cluster.isolated_for": "2m"})
	record := func(n *stage.Node, user string, subjects ...string) *client.Recorder {
		t.Helper()
		r, err := client.Record(ctx, client.SSE, client.Target{URL: n.URL(), Token: stage.Token(t, user, nil), Query: url.Values{"subject": subjects}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		if _, err := r.AwaitType(ctx, client.TypeOpen); err != nil {
			t.Fatal(err)
		}
		return r
	}
	record(nodes[0], "ann")
	record(nodes[2], "bob")
	majority := record(nodes[1], "eve", "presence.ann", "presence.bob")
	minority := record(nodes[2], "eve", "presence.ann", "presence.bob")
	await := func(when, ann, bob string) {
		t.Helper()
		for name, r := range map[string]*client.Recorder{"the majority": majority, "the node that is cut off": minority} {
			want := fmt.Sprint(ann, ", ", bob)
			if name != "the majority" && when == "cut off" {
				want = "ann 0?, bob 1?"
			}
			last := func() string {
				told, err := client.Presences(r.All())
				if err != nil {
					t.Fatal(err)
				}
				text := ""
				for i, user := range []string{"ann", "bob"} {
					if states := told[user]; len(states) > 0 {
						text += fmt.Sprint([]string{"", ", "}[i], states[len(states)-1])
					}
				}
				return text
			}
			if err := r.Await(ctx, func([]client.Event) bool { return last() == want }); err != nil {
				t.Fatalf("%s: followers of %s were told %q last, want %q: %v", when, name, last(), want, err)
			}
		}
	}
	await("linked", "ann 1", "bob 1")
	if err := nodes[2].Place.Cut(stage.Both, stage.Peers); err != nil {
		t.Fatal(err)
	}
	cut := time.Now()
	await("cut off", "ann 1?", "bob 0?")
	t.Logf("both sides know %v after the cut", time.Since(cut).Round(100*time.Millisecond))
	late := record(nodes[0], "eve", "presence.bob")
	if e, err := late.AwaitType(ctx, client.TypePresence); err != nil || string(e.Data) != `{"user":"bob","online":false,"connections":0,"complete":false}` {
		t.Errorf("who asks during the cut is told %s, %v", e.Data, err)
	}
	nodes[2].Place.Heal()
	await("healed", "ann 1", "bob 1")
}
