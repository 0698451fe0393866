package jetstream

import (
	"sync"
	"testing"

	"weft/config/testkit/waitfor"
)

// A node whose server is restarted in the process keeps its connections, so
// nobody may believe meanwhile that its users have left.
func TestNobodyIsBelievedToHaveLeftWhileAServerRestarts(t *testing.T) {
	t.Parallel()
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	for _, n := range nodes {
		n.Presence().Handle(func(s string) bool { return n.Name() == "n3" && s == "user.ann" })
	}
	online := func(s string) (bool, bool) { return nodes[0].Presence().Online(t.Context(), s) }
	waitfor.True(t, func() bool { _, sure := online("user.bob"); return sure })
	if is, _ := online("user.bob"); is {
		t.Error("bob is online")
	}
	var restarting sync.WaitGroup
	restarting.Go(func() {
		if err := nodes[2].Restart(); err != nil {
			t.Error(err)
		}
	})
	unsure := 0
	for is, sure := online("user.ann"); unsure == 0 || !is; is, sure = online("user.ann") {
		if !is && sure {
			t.Fatal("ann is believed to have left")
		}
		if !sure {
			unsure++
		}
		if t.Context().Err() != nil {
			return
		}
	}
	restarting.Wait()
}
