package jetstream_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/config/testkit/slow"
	"weft/jetstream"
	"weft/jetstream/event"
	"weft/jetstream/feed"
)

// A listener notes the events of a connection.
type listener struct {
	mu     sync.Mutex
	events []string
	resets int
}

func (l *listener) Opened(feed.Opened)             {}
func (l *listener) Keepalive(string)               {}
func (l *listener) CaughtUp()                      {}
func (l *listener) Owner() string                  { return "" }
func (l *listener) Room(ctx context.Context) error { return ctx.Err() }
func (l *listener) Reset(feed.Reset, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resets++
}
func (l *listener) Event(m *feed.Message, _ string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, string(m.Data))
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestEverythingGoesOnWhenTheServerIsRestarted(t *testing.T) {
	slow.Test(t, "a restart of the server")
	cfg := jetstream.Default()
	cfg.Node.Name, cfg.Node.DataDir, cfg.Node.Listen = "n1", t.TempDir(), "127.0.0.1:0"
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	n := jetstream.New(cfg, log, prometheus.NewRegistry())
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	h := feed.New(feed.Params{Store: n.Store(), Presence: n.Presence(), OpenCopies: feed.Live(n.OpenLive), Relinked: n.Cluster().Links().Relinked,
		Clustered: n.Clustered(), Token: n.Token()}, log, prometheus.NewRegistry())
	if err := h.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var exact, wild listener
	for s, l := range map[string]*listener{"topic.a": &exact, "topic.*": &wild} {
		r, err := h.Follow(t.Context(), []string{s}, feed.Start{}, l)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
	}
	put := func(i int) {
		t.Helper()
		e := event.Event{Subject: "topic.a", Data: fmt.Append(nil, i), ID: event.Operators.KeyID("t", i)}
		eventually(t, "a publish", func() bool { _, err := n.Store().Publish(t.Context(), e); return err == nil })
	}
	var all []string
	for i := range 3 {
		put(2 * i)
		if err := n.Restart(); err != nil {
			t.Fatal(err)
		}
		put(2*i + 1)
		all = append(all, fmt.Sprint(2*i), fmt.Sprint(2*i+1))
	}
	session := fmt.Sprint("s", len(all))
	if err := n.Blacklist().Put(t.Context(), session, "", 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the blacklist", func() bool { return n.Blacklist().Revoked(session, "", time.Time{}) })
	for name, l := range map[string]*listener{"exact": &exact, "wildcard": &wild} {
		got := func() []string { l.mu.Lock(); defer l.mu.Unlock(); return slices.Clone(l.events) }
		eventually(t, name, func() bool { return len(got()) >= len(all) })
		if !slices.Equal(got(), all) || l.resets > 0 {
			t.Errorf("%s: got %q and %d resets, want %q", name, got(), l.resets, all)
		}
	}
	eventually(t, "ticks", func() bool { return h.Ready() == nil && n.Ready() == nil })
}
