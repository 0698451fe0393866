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
			if got := fmt.Sprint(seen.see([]server.Copy{l.copy}, now)); got != l.want {
				t.Errorf("%s: after %d looks %s, want %s", name, i+1, got, l.want)
			}
			now = now.Add(divergedAfter * 2 / 3)
		}
	}
}
