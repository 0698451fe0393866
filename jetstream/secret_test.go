package jetstream

import (
	"bytes"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

func TestIDsBeginWithASecretThatSurvivesARestart(t *testing.T) {
	cfg := testConfig(t)
	var secrets []string
	for range 2 {
		n := open(t, cfg)
		secrets = append(secrets, *n.secret.Load())
		if _, err := n.Publish(t.Context(), event.Event{Subject: "user.ann", ID: event.RecordID("kafka", "orders", 0, 17)}); err != nil {
			t.Fatal(err)
		}
		b, err := n.Read(t.Context(), "user.ann", 1, 10, 1<<20)
		if err != nil || len(b.Messages) != 1 {
			t.Fatalf("%d stored, %v; the second time it is a duplicate", len(b.Messages), err)
		}
		if got, want := event.FirstValue(b.Messages[0].Header, event.HeaderMsgID), secrets[0]+"/k/kafka/orders/0/17/user.ann"; got != want {
			t.Errorf("id %q, want %q", got, want)
		}
		if known, err := n.HasID(t.Context(), "user.ann", event.RecordID("kafka", "orders", 0, 17)); err != nil || !known {
			t.Errorf("known %v, %v", known, err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if secrets[0] != secrets[1] || secrets[0] == "" {
		t.Errorf("secrets %q", secrets)
	}
	if other := open(t, testConfig(t)); *other.secret.Load() == secrets[0] {
		t.Error("two streams have the same secret")
	}
}

// A stream that was made before there were secrets gets one, and what was stored
// with the ids of that time is known by them.
func TestAStreamWithoutASecretGetsOne(t *testing.T) {
	cfg := testConfig(t)
	cfg.Events.MaxPerSubject = 3
	n := open(t, cfg)
	forgetSecret(t, n)
	for _, offset := range []string{"11", "12", "14"} {
		m := &nats.Msg{Subject: "user.ann", Header: nats.Header{event.HeaderMsgID: {"k/kafka/orders/0/" + offset + "/user.ann"}}}
		if _, err := n.conn.RequestMsgWithContext(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	id := n.StreamID()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = open(t, cfg)
	if *n.secret.Load() == "" || n.StreamID() != id {
		t.Errorf("secret of %d bytes; the stream's identity changed: %v", len(*n.secret.Load()), n.StreamID() != id)
	}
	for offset, want := range map[int64]bool{10: true, 11: true, 12: true, 13: false, 14: true, 15: false} {
		known, err := n.HasID(t.Context(), "user.ann", event.RecordID("kafka", "orders", 0, offset))
		if err != nil || known != want {
			t.Errorf("record %d: known %v, %v; want %v", offset, known, err, want)
		}
	}
}

// forgetSecret writes the stream's metadata as a version without secrets would.
func forgetSecret(t *testing.T, n *Node) {
	t.Helper()
	cfg := n.streamConfig(n.StreamID(), "")
	cfg.Metadata = maps.Clone(cfg.Metadata)
	delete(cfg.Metadata, metaSecret)
	if _, err := n.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

func TestASecretThatWasTakenAwayIsPutBack(t *testing.T) {
	n := open(t, testConfig(t))
	before := *n.secret.Load()
	forgetSecret(t, n)
	if _, err := n.State(t.Context()); err != nil {
		t.Fatal(err)
	}
	stream, err := n.js.Stream(t.Context(), event.StreamName)
	if err != nil || secretOf(stream.CachedInfo().Config.Metadata) != before || *n.secret.Load() != before {
		t.Errorf("another secret, or none: %v", err)
	}
}

// All nodes agree on one secret, also when each of them finds at the same moment
// that there is none.
func TestAllNodesHaveTheSameSecret(t *testing.T) {
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	agree := func() bool {
		for _, n := range nodes {
			if _, err := n.State(t.Context()); err != nil && !errors.Is(err, api.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		one := *nodes[0].secret.Load()
		return one != "" && *nodes[1].secret.Load() == one && *nodes[2].secret.Load() == one
	}
	waitFor(t, agree)
	forgetSecret(t, nodes[0])
	var all sync.WaitGroup
	for _, n := range nodes {
		n.secret.Store(new(string)) // as after a restart of all
		all.Go(func() {
			if err := n.ensureStream(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	waitFor(t, agree)
}

func TestTheSecretIsNotLogged(t *testing.T) {
	var out bytes.Buffer
	cfg := testConfig(t)
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for range 2 { // made, then found
		n := New(cfg, log, prometheus.NewRegistry())
		if err := n.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		forgetSecret(t, n)
		if _, err := n.Publish(t.Context(), event.Event{Subject: "user.ann", ID: event.Operators.KeyID("x", 0)}); err != nil {
			t.Error(err)
		}
		secret := *n.secret.Load()
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		if out.Len() == 0 || strings.Contains(out.String(), secret) {
			t.Errorf("%d bytes were logged, the secret among them: %v", out.Len(), strings.Contains(out.String(), secret))
		}
	}
}
