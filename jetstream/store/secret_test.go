package store

import (
	"log/slog"
	"maps"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"weft/config/testkit/testlog"
	"weft/jetstream/event"
)

func TestIDsBeginWithASecretThatSurvivesARestart(t *testing.T) {
	cfg := newConfig(t)
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
		n.close()
	}
	if secrets[0] != secrets[1] || secrets[0] == "" {
		t.Errorf("secrets %q", secrets)
	}
	if other := open(t, newConfig(t)); *other.secret.Load() == secrets[0] {
		t.Error("two streams have the same secret")
	}
}

// A stream that was made before there were secrets gets one, and what was stored
// with the ids of that time is known by them.
func TestAStreamWithoutASecretGetsOne(t *testing.T) {
	cfg := newConfig(t)
	cfg.limits.MaxPerSubject = 3
	n := open(t, cfg)
	forgetSecret(t, n)
	for _, offset := range []string{"11", "12", "14"} {
		m := &nats.Msg{Subject: "user.ann", Header: nats.Header{event.HeaderMsgID: {"k/kafka/orders/0/" + offset + "/user.ann"}}}
		if _, err := n.client.Conn.RequestMsgWithContext(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	id := n.StreamID()
	n.close()
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
func forgetSecret(t *testing.T, n *testStore) {
	t.Helper()
	cfg := n.config(n.StreamID(), "")
	cfg.Metadata = maps.Clone(cfg.Metadata)
	delete(cfg.Metadata, metaSecret)
	if _, err := n.client.JS.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

func TestASecretThatWasTakenAwayIsPutBack(t *testing.T) {
	n := open(t, newConfig(t))
	before := *n.secret.Load()
	forgetSecret(t, n)
	if _, err := n.State(t.Context()); err != nil {
		t.Fatal(err)
	}
	stream, err := n.client.JS.Stream(t.Context(), event.StreamName)
	if err != nil || secretOf(stream.CachedInfo().Config.Metadata) != before || *n.secret.Load() != before {
		t.Errorf("another secret, or none: %v", err)
	}
}

func TestTheSecretIsNotLogged(t *testing.T) {
	var out testlog.Record
	cfg := newConfig(t)
	cfg.log = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for range 2 { // made, then found
		n := open(t, cfg)
		forgetSecret(t, n)
		if _, err := n.Publish(t.Context(), event.Event{Subject: "user.ann", ID: event.Operators.KeyID("x", 0)}); err != nil {
			t.Error(err)
		}
		secret := *n.secret.Load()
		n.close()
		if text := strings.Join(out.Lines(), "\n"); text == "" || strings.Contains(text, secret) {
			t.Errorf("%d bytes were logged, the secret among them: %v", len(text), strings.Contains(text, secret))
		}
	}
}
