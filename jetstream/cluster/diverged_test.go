package cluster

import (
	"fmt"
	"testing"
	"time"

	"weft/jetstream/server"
)

// A log that becomes shorter holds what the others did not agree to; one that only lacks
// something grows.
func TestACopyHasDivergedWhenItsLogBecomesShorter(t *testing.T) {
	type look struct {
		copy server.Copy
		want string
	}
	led := func(last uint64) server.Copy { return server.Copy{Group: "g", Leader: "other", Last: last} }
	for name, looks := range map[string][]look{
		"it lacks much":            {{led(5), "[]"}, {led(500), "[]"}, {led(5000), "[]"}},
		"it waits":                 {{led(5), "[]"}, {led(5), "[]"}, {led(5), "[]"}, {led(5), "[]"}},
		"it goes back":             {{led(50), "[]"}, {led(49), "[]"}, {led(48), "[g]"}, {led(47), "[g]"}},
		"it goes back, and agrees": {{led(50), "[]"}, {led(49), "[]"}, {server.Copy{Group: "g", Leader: "other", Last: 49, Agrees: true}, "[]"}, {led(48), "[]"}},
		"nobody leads":             {{led(50), "[]"}, {server.Copy{Group: "g", Last: 49}, "[]"}, {led(48), "[]"}, {led(48), "[]"}},
		"it leads":                 {{led(50), "[]"}, {server.Copy{Group: "g", Leader: "self", Leads: true, Last: 49}, "[]"}, {led(48), "[]"}},
	} {
		seen, now := divergences{}, time.Now()
		for i, l := range looks {
			groups := []string{}
			for _, v := range seen.see([]server.Copy{l.copy}, now) {
				groups = append(groups, v.Group)
			}
			if got := fmt.Sprint(groups); got != l.want {
				t.Errorf("%s: after %d looks %s, want %s", name, i+1, got, l.want)
			}
			now = now.Add(divergedAfter * 2 / 3)
		}
	}
}

// A copy is only done without when the others have everything: in a small group one that
// lacks all of it lacks little.
func TestACopyIsOnlyDoneWithoutWhenAMajorityHasEverything(t *testing.T) {
	for name, c := range map[string]struct {
		others []Replica
		want   bool
	}{
		"both others have all":        {[]Replica{{Node: "n2", Current: true}, {Node: "n3", Current: true}}, true},
		"one lacks an entry":          {[]Replica{{Node: "n2", Current: true}, {Node: "n3", Lag: 1}}, false},
		"one is away":                 {[]Replica{{Node: "n2", Current: true}, {Node: "n3", Current: true, Offline: true}}, false},
		"one was removed":             {[]Replica{{Node: "n2", Current: true}}, false},
		"one was replaced, half":      {[]Replica{{Node: "n2", Current: true}, {Node: "n4"}}, false},
		"nobody leads, none is known": {nil, false},
	} {
		g := &Group{Replicas: append([]Replica{{Node: "n1", Current: true}}, c.others...)}
		if got := g.whole("n1"); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
