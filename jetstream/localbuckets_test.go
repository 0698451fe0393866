package jetstream

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"weft/config/testkit/waitfor"
)

// A client on loopback uses the buckets of a cluster, whichever node leads them, although
// they are in another account than the client.
func TestALocalClientUsesTheBucketsOfAnyLeader(t *testing.T) {
	t.Parallel()
	configs := clusterConfigs(t, 3, 3)
	configs[0].Node.Users = wallUsers
	nodes := openCluster(t, configs)
	nc := dial(t, nodes[1], "")
	store, err := js.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	led := map[string]bool{}
	for round := 0; len(led) < 3; round++ {
		if round == 40 {
			t.Fatalf("only %v have led", led)
		}
		leader := ""
		waitfor.True(t, func() bool {
			s, err := nodes[0].control.JS.Stream(t.Context(), "KV_routes")
			if err != nil {
				return false
			}
			info, err := s.Info(t.Context())
			if err != nil || info.Cluster == nil {
				return false
			}
			leader = info.Cluster.Leader
			return leader != ""
		})
		if !led[leader] {
			led[leader] = true
			useBucket(t, store, fmt.Sprintf("round%d", round))
		}
		if _, err := nodes[0].control.Conn.Request("$JS.API.STREAM.LEADER.STEPDOWN.KV_routes", nil, 5*time.Second); err != nil && err != nats.ErrTimeout {
			t.Fatal(err)
		}
	}
}

// useBucket does with a key what libraries do.
func useBucket(t *testing.T, store js.JetStream, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	bucket, err := store.KeyValue(ctx, "routes")
	if err != nil {
		t.Fatal(err)
	}
	w, err := bucket.Watch(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Stop() }()
	if e := <-w.Updates(); e != nil {
		t.Fatalf("there is %v", e)
	}
	first, err := bucket.Create(ctx, key, []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	second, err := bucket.Update(ctx, key, []byte(`[]`), first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bucket.Update(ctx, key, nil, first); err == nil {
		t.Error("a condition that is not met passes")
	}
	// What is read may be a copy that has not come up yet.
	waitfor.True(t, func() bool {
		e, err := bucket.Get(ctx, key)
		return err == nil && e.Revision() == second && string(e.Value()) == "[]"
	})
	waitfor.True(t, func() bool {
		e, err := bucket.GetRevision(ctx, key, first)
		return err == nil && string(e.Value()) == "{}"
	})
	waitfor.True(t, func() bool {
		keys, err := bucket.Keys(ctx)
		return err == nil && slices.Contains(keys, key)
	})
	waitfor.True(t, func() bool {
		h, err := bucket.History(ctx, key)
		return err == nil && len(h) == 2
	})
	if err := bucket.Delete(ctx, key); err != nil {
		t.Fatal(err)
	}
	for i, want := range []js.KeyValueOp{js.KeyValuePut, js.KeyValuePut, js.KeyValueDelete} {
		select {
		case e := <-w.Updates():
			if e == nil || e.Operation() != want {
				t.Fatalf("update %d is %v", i, e)
			}
		case <-ctx.Done():
			t.Fatalf("update %d does not come", i)
		}
	}
}
