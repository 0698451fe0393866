package jetstream

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"weft/config/testkit/testlog"
	"weft/config/testkit/waitfor"
	"weft/jetstream/event"
	"weft/jetstream/server"
	"weft/jetstream/subject"
)

// A server that is stopped while it makes the store of a copy leaves two goroutines
// of that store behind, in nats-server 2.15.2.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

func testConfig(t testing.TB) Config {
	cfg := Default()
	cfg.Node.Name, cfg.Node.DataDir, cfg.Node.Listen = "n1", t.TempDir(), "127.0.0.1:0"
	return cfg
}

// open starts a node that ends with the test.
func open(t testing.TB, cfg Config) *Node {
	t.Helper()
	n := New(cfg, testlog.To(t), prometheus.NewRegistry())
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func TestPublishedEventsAreReadBackInOrderAndComplete(t *testing.T) {
	n := open(t, testConfig(t))
	events := make([]event.Event, 300)
	for i := range events {
		events[i] = event.Event{Subject: "user.ann", Type: "t", Data: fmt.Appendf(nil, "%d", i), ID: event.Operators.KeyID("x", i)}
	}
	acks, errs := n.Store().PublishAll(t.Context(), events[:90])
	for i, err := range errs {
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		if i > 0 && acks[i].Seq <= acks[i-1].Seq {
			t.Fatalf("event %d has sequence %d after %d", i, acks[i].Seq, acks[i-1].Seq)
		}
	}
	if ack, err := n.Store().Publish(t.Context(), events[5]); err != nil || !ack.Duplicate {
		t.Errorf("same id again: %+v, %v; want a duplicate", ack, err)
	}
	b, err := n.Store().Read(t.Context(), "user.ann", acks[10].Seq, 20, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Messages) != 20 || b.Pending != 60 {
		t.Fatalf("read %d messages, %d pending; want 20, 60", len(b.Messages), b.Pending)
	}
	for i, m := range b.Messages {
		if want := fmt.Sprint(i + 10); string(m.Data) != want || m.Subject != "user.ann" {
			t.Fatalf("message %d is %s on %s, want %s", i, m.Data, m.Subject, want)
		}
	}
	if head, err := n.Store().Head(t.Context(), "user.ann"); err != nil || head != acks[89].Seq {
		t.Errorf("head is %d, %v; want %d", head, err, acks[89].Seq)
	}
	if head, err := n.Store().Head(t.Context(), "user.bob"); err != nil || head != 0 {
		t.Errorf("head of nobody is %d, %v", head, err)
	}
	if b, err := n.Store().Read(t.Context(), "user.bob", 1, 20, 1<<20); err != nil || len(b.Messages) != 0 {
		t.Errorf("read of nobody: %v, %v", b, err)
	}
	for id, want := range map[event.MsgID]bool{events[3].ID: true, event.Operators.KeyID("x", 1000): false} {
		if got, err := n.Store().HasID(t.Context(), "user.ann", id); err != nil || got != want {
			t.Errorf("HasID(%v) = %v, %v", id, got, err)
		}
	}
	if _, err := n.Store().Publish(t.Context(), events[200]); err != nil {
		t.Fatal(err)
	}
	// A look-up may miss what was stored a moment ago; then the stream knows it.
	known, err := n.Store().HasID(t.Context(), "user.ann", events[200].ID)
	if err != nil {
		t.Fatal(err)
	}
	if ack, err := n.Store().Publish(t.Context(), events[200]); err != nil || !known && !ack.Duplicate {
		t.Errorf("an id that was stored after the first look-up is not known, and stored again: %+v, %v", ack, err)
	}
}

func TestAReadIsBoundedInBytesButNeverEmpty(t *testing.T) {
	n := open(t, testConfig(t))
	for range 4 {
		if _, err := n.Store().Publish(t.Context(), event.Event{Subject: "topic.big", Data: bytes.Repeat([]byte("x"), event.MaxBytes)}); err != nil {
			t.Fatal(err)
		}
	}
	b, err := n.Store().Read(t.Context(), "topic.big", 1, 100, 1)
	if err != nil || len(b.Messages) != 1 || b.Pending != 3 {
		t.Fatalf("read %d messages, %d pending, %v; want 1, 3", len(b.Messages), b.Pending, err)
	}
}

func TestARefusedEventIsNotStored(t *testing.T) {
	n := open(t, testConfig(t))
	for name, c := range map[string]struct {
		e    event.Event
		want error
	}{
		"subject":  {event.Event{Subject: "user.ann@x.org"}, subject.ErrSubject},
		"wildcard": {event.Event{Subject: "user.*"}, subject.ErrSubject},
		"tick":     {event.Event{Subject: "tick.n1"}, subject.ErrSubject},
		"type":     {event.Event{Subject: "user.ann", Type: "weft.close"}, event.ErrType},
		"newline":  {event.Event{Subject: "user.ann", Type: "a\nb"}, event.ErrType},
		"size":     {event.Event{Subject: "user.ann", Data: make([]byte, event.MaxBytes+1)}, event.ErrTooLarge},
	} {
		if _, err := n.Store().Publish(t.Context(), c.e); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := n.Store().Publish(t.Context(), event.Event{Subject: "user.ann", Header: map[string]string{"nats-msg-id": "x"}}); err == nil {
		t.Error("a Nats- header was accepted")
	}
}

func TestAllIsThereAfterARestart(t *testing.T) {
	cfg := testConfig(t)
	n := open(t, cfg)
	ack, err := n.Store().Publish(t.Context(), event.Event{Subject: "user.ann", Data: []byte("kept")})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Blacklist().Put(t.Context(), "s:1", "", 0); err != nil {
		t.Fatal(err)
	}
	id := n.Store().StreamID()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = open(t, cfg)
	if n.Store().StreamID() != id {
		t.Error("the stream has another identity after a restart")
	}
	b, err := n.Store().Read(t.Context(), "user.ann", 1, 10, 1000)
	if err != nil || len(b.Messages) != 1 || b.Messages[0].Seq != ack.Seq {
		t.Errorf("read %+v, %v", b, err)
	}
	if !n.Blacklist().Revoked("s:1", "", time.Time{}) {
		t.Error("the blacklist is not loaded after a restart")
	}
}

func TestADataFolderBelongsToOneNode(t *testing.T) {
	cfg := testConfig(t)
	n := open(t, cfg)
	second := New(cfg, testlog.To(t), prometheus.NewRegistry())
	if err := second.Open(t.Context()); !errors.Is(err, server.ErrDataDirInUse) {
		t.Errorf("second process: %v, want %v", err, server.ErrDataDirInUse)
	}
	n.Close()
	cfg.Node.Name = "n2"
	other := New(cfg, testlog.To(t), prometheus.NewRegistry())
	if err := other.Open(t.Context()); !errors.Is(err, server.ErrDataDirOf) {
		t.Errorf("other name: %v, want %v", err, server.ErrDataDirOf)
	}
}

func TestALocalClientMayPublishAndRevokeButNotListen(t *testing.T) {
	n := open(t, testConfig(t))
	refused := make(chan error, 10)
	c, err := nats.Connect(n.ClientURL(), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if m, err := c.Request("user.ann", []byte("hello"), time.Second); err != nil || !bytes.Contains(m.Data, []byte(`"seq"`)) {
		t.Fatalf("publish: %v", err)
	}
	js, err := c.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue("blacklist")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString("session-1", "revoked"); err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool { return n.Blacklist().Revoked("session-1", "", time.Time{}) })
	for _, s := range []string{">", "out.>", "out.user.ann", "user.ann", "_WEFT.>", "$JS.>"} {
		if _, err := c.SubscribeSync(s); err != nil {
			t.Fatal(err)
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-refused:
		case <-time.After(30 * time.Second):
			t.Errorf("a client may subscribe to %s", s)
		}
	}
	if n.Presence().Interest("user.ann") {
		t.Error("ann looks online")
	}
}

// The server answers a read before it looks at what the same connection sent after it, and a
// tick that is late makes the node restart its server.
func TestTicksDoNotWaitForReads(t *testing.T) {
	n := open(t, testConfig(t))
	if err := n.Store().Tick("", nil); err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool { return n.Store().Place().Seq > 0 })
	before := n.Store().Place().Seq
	n.client.Conn.Close() // the one of the reads
	if err := n.Store().Tick("", nil); err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool { return n.Store().Place().Seq > before })
}
