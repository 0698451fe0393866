package test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weft/config/testkit/waitfor"
	"weft/test/client"
	"weft/test/stage"
)

// A full disk refuses events and says so, loses none that it accepted, leaves
// Kafka's where they are, and mends itself when there is space again.
func TestFullDiskRefusesAndRecovers(t *testing.T) {
	t.Parallel()
	k := broker(t)
	for _, c := range []struct {
		name  string
		leave int64 // bytes that are left free
	}{
		{"nearly full", 4 << 20},
		{"full to the last byte", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk, err := stage.NewDisk(t, 160<<20)
			if errors.Is(err, stage.ErrNoMount) {
				t.Skipf("%v: run the tests as root to have this one", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			in := topic(t, k, 1)
			group := topicName(t.Name())
			node := stage.StartNode(t, stage.Settings(disk.Path+"/data").
				With("node.min_free", "16MiB").
				With("events.max_bytes", "32MiB").
				With("events.max_per_subject", 10_000).
				With("kafka.group", group).
				Kafka(k.Address, stage.Source{"topic": in, "to": []string{"user.{key}"}, "start": "oldest"}))
			ann := record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil)})
			bob := record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "bob", nil)})

			var accepted []string
			try := func() posted {
				data := fmt.Sprintf(`{"n":%d}`, len(accepted))
				p := post(t, node.AdminURL(), url.Values{"user": {"ann"}},
					map[string]string{"Content-Type": "application/json"}, []byte(data))
				if p.Status == http.StatusAccepted {
					accepted = append(accepted, data)
				}
				return p
			}
			for range 50 {
				if p := try(); p.Status != http.StatusAccepted {
					t.Fatalf("before: %+v", p)
				}
			}
			produce(t, k.Address, &kgo.Record{Topic: in, Key: []byte("bob"), Value: []byte(`0`)})
			awaitEvents(t, bob, 1)
			committed := func() int64 {
				sum, err := stage.Committed(soon(t), k.Address, group, in, 1)
				if err != nil {
					t.Fatal(err)
				}
				return sum
			}
			eventually(t, 20*time.Second, "the offset is committed", func() bool { return committed() == 1 })

			if err := disk.Fill(c.leave); err != nil {
				t.Fatal(err)
			}
			var p posted
			eventually(t, 60*time.Second, "events are refused with disk_full", func() bool {
				p = try()
				return p.Status == http.StatusServiceUnavailable && p.Problem.Code == "disk_full"
			})
			if p.RetryAfter == "" {
				t.Error("no Retry-After with disk_full")
			}
			stored := len(bob.Events())
			for i := range 20 {
				produce(t, k.Address, &kgo.Record{Topic: in, Key: []byte("bob"), Value: fmt.Appendf(nil, "%d", i+1)})
			}
			refusedFor := time.Now().Add(5 * time.Second)
			for time.Now().Before(refusedFor) {
				if p := try(); p.Status == http.StatusAccepted {
					t.Error("an event was accepted on a full disk")
					break
				}
				waitfor.Time(t.Context(), 5*time.Millisecond)
			}
			got := committed() // what is stored may be on its way to bob
			eventually(t, 20*time.Second, "no offset is committed of a record that is not stored", func() bool {
				return got <= int64(max(stored, len(bob.Events())))
			})
			if err := disk.Free(); err != nil {
				t.Fatal(err)
			}
			eventually(t, 90*time.Second, "events are accepted again", func() bool {
				return try().Status == http.StatusAccepted
			})
			all, err := bob.AwaitEvents(within(t, time.Minute), 21)
			if err != nil {
				t.Fatalf("the records that waited in Kafka: %v; have %s", err, describe(bob.All()))
			}
			for i, e := range all {
				if string(e.Data) != fmt.Sprint(i) {
					t.Fatalf("bob's event %d is %q", i, e.Data)
				}
			}
			check := func(how string, got []client.Event) {
				t.Helper()
				var data []string
				for _, e := range got {
					data = append(data, string(e.Data))
				}
				// A publish without an answer may have been stored and then sent again
				// under the same number, so each accepted one is there, in order.
				if data = slices.Compact(data); !slices.Equal(data, accepted) {
					t.Errorf("%s: %d different events, accepted were %d", how, len(data), len(accepted))
				}
			}
			live, err := ann.AwaitEvents(soon(t), len(accepted))
			if err != nil {
				t.Fatalf("%v; have %d of %d", err, len(ann.Events()), len(accepted))
			}
			check("live", live)
			if n := ann.Count(client.TypeReset); n != 0 {
				t.Errorf("%d resets, and nothing was lost", n)
			}
			node.Restart()
			eventually(t, time.Minute, "the offsets are committed", func() bool { return committed() == 21 })
			first := ann.All()[0].ID
			again := record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil), LastID: first})
			replayed, err := again.AwaitEvents(soon(t), len(accepted))
			if err != nil {
				t.Fatal(err)
			}
			check("after a restart", replayed)
		})
	}
}
