package jetstream

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"weft/config/testkit/testlog"
	"weft/config/testkit/waitfor"
	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/store"
)

// The limits can be raised node by node.
func TestANodeWithGreaterLimitsIsNotRefusedByTheOthers(t *testing.T) {
	t.Parallel()
	configs := clusterConfigs(t, 3, 3)
	for i := range configs {
		configs[i].Events.MaxBytes = 8 << 20
	}
	nodes := openCluster(t, configs)
	nodes[0].Close()
	configs[0].Events.MaxBytes = 16 << 30
	again := openCluster(t, configs[:1])[0]
	waitfor.True(t, func() bool { return again.Ready() == nil })
	for _, n := range []*Node{again, nodes[1], nodes[2]} {
		info, err := n.client.JS.Stream(t.Context(), event.StreamName)
		if err != nil || info.CachedInfo().Config.MaxBytes != 16<<30 {
			t.Errorf("%s: %v, %v", n.Name(), info, err)
		}
	}
	if _, err := nodes[1].Store().Publish(t.Context(), event.Event{Subject: "user.ann"}); err != nil {
		t.Error(err)
	}
}

// secretOf is the secret of a store's message ids.
func secretOf(s *store.Store) string {
	id := event.RecordID("", "", 0, 0)
	secret, _, _ := strings.Cut(s.MessageID(&id, "user.ann"), "/")
	return secret
}

// All nodes agree on one secret, also when each of them finds at the same moment
// that there is none.
func TestAllNodesHaveTheSameSecret(t *testing.T) {
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	agree := func() bool {
		for _, n := range nodes {
			if _, err := n.Store().State(t.Context()); err != nil && !errors.Is(err, api.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		one := secretOf(nodes[0].Store())
		return one != "" && secretOf(nodes[1].Store()) == one && secretOf(nodes[2].Store()) == one
	}
	waitfor.True(t, agree)
	stream, err := nodes[0].client.JS.Stream(t.Context(), event.StreamName)
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	delete(cfg.Metadata, "weft_message_id_secret")
	if _, err := nodes[0].client.JS.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, n := range nodes {
		again := store.New(store.Params{Client: n.client, Token: n.Token(), Limits: n.cfg.Events, Replicas: 3, Log: testlog.To(t)},
			prometheus.NewRegistry()) // as after a restart of all
		all.Go(func() {
			if err := again.Ensure(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	waitfor.True(t, agree)
}

// In a cluster an event whose id is on its way to the copies is refused for the
// moment, on a node alone it is a duplicate at once.
func TestTheSameIDTwiceInABatchIsStoredOnce(t *testing.T) {
	for name, n := range map[string]*Node{
		"one node":      open(t, testConfig(t)),
		"three of them": openCluster(t, clusterConfigs(t, 3, 1))[0],
	} {
		var events []event.Event
		var want []string
		for i := range 90 {
			e := event.Event{Subject: "user.ann", Data: fmt.Append(nil, i), ID: event.RecordID("k", "t", 0, int64(i))}
			if events = append(events, e); i != 12 {
				want = append(want, fmt.Sprint(i))
			}
		}
		events[12].ID = events[3].ID
		acks, errs := n.Store().PublishAll(t.Context(), events)
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !acks[12].Duplicate || acks[12].Seq != acks[3].Seq || acks[3].Duplicate {
			t.Errorf("%s: first %+v, again %+v", name, acks[3], acks[12])
		}
		stored := func() (data []string) {
			b, err := n.Store().Read(t.Context(), "user.ann", 1, 100, 1<<20)
			if err != nil && !errors.Is(err, api.ErrUnavailable) {
				t.Fatal(err)
			}
			for i := range b.Messages {
				data = append(data, string(b.Messages[i].Data))
			}
			return data
		}
		waitfor.True(t, func() bool { return len(stored()) >= len(want) }) // a copy may be behind
		if got := stored(); !slices.Equal(got, want) {
			t.Errorf("%s: stored %q", name, got)
		}
	}
}
