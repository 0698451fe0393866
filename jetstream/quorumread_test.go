package jetstream

import (
	"context"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/jetstream/event"
)

// Whoever asks from beyond the end of the stream is told that there is nothing, on
// every node, without waiting until the stream has come that far.
func TestNothingIsStoredBeyondTheEnd(t *testing.T) {
	t.Parallel()
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	waitfor.True(t, func() bool { return nodes[0].Ready() == nil })
	ack, err := nodes[0].Store().Publish(t.Context(), event.Event{Subject: "user.ann", Data: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		for from, want := range map[uint64]uint64{1: ack.Seq, ack.Seq: ack.Seq, ack.Seq + 1: 0, ack.Seq + 100_000: 0} {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			for {
				seq, err := n.Store().Next(ctx, "user.ann", from)
				if err == nil && seq == want {
					break
				}
				if ctx.Err() != nil {
					t.Errorf("%s, from %d of %d: %d, %v", n.Name(), from, ack.Seq, seq, err)
					break
				}
			}
			cancel()
		}
	}
}
