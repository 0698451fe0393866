package feed_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream"
	"weft/jetstream/event"
	"weft/jetstream/feed"
)

// patience is how long a test waits for what must come.
const patience = 40 * time.Second

// A site is a node with its hub.
type site struct {
	*feed.Hub
	node   *jetstream.Node
	copies *copies
	store  *slowStore
	reg    *prometheus.Registry // of the hub
}

// openSite starts a node and its hub.
func openSite(ctx context.Context, cfg jetstream.Config, log *slog.Logger) (*site, error) {
	s := &site{node: jetstream.New(cfg, log, prometheus.NewRegistry()), reg: prometheus.NewRegistry()}
	if err := s.node.Open(ctx); err != nil {
		return nil, err
	}
	var p feed.Params
	p, s.copies, s.store = paramsOf(s.node)
	s.Hub = feed.New(p, log, s.reg)
	if err := s.Hub.Open(ctx); err != nil {
		return nil, errors.Join(err, s.node.Close())
	}
	return s, nil
}

func (h *site) close() {
	h.Hub.Close()
	h.node.Close()
}

// open starts a node and its hub for one test.
func open(t testing.TB, change func(*jetstream.Config)) *site {
	t.Helper()
	cfg := jetstream.Default()
	cfg.Node.Name, cfg.Node.DataDir, cfg.Node.Listen = "n1", t.TempDir(), "127.0.0.1:0"
	if change != nil {
		change(&cfg)
	}
	s, err := openSite(t.Context(), cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// publish stores n numbered events on a subject.
func publish(t testing.TB, h *site, subject string, from, n int) {
	t.Helper()
	events := make([]event.Event, n)
	for i := range events {
		events[i] = event.Event{Subject: subject, Data: fmt.Appendf(nil, "%d", from+i)}
	}
	for len(events) > 0 {
		part := events[:min(len(events), 500)]
		events = events[len(part):]
		_, errs := h.node.Store().PublishAll(t.Context(), part)
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A client records what a connection would see.
type client struct {
	t       testing.TB
	mu      sync.Mutex
	opened  feed.Opened
	events  []string // "subject data"
	id      string
	resets  []feed.Reset
	alive   int
	caught  int
	changed chan struct{}
	stop    bool // takes no history any more
	owner   string
}

func newClient(t testing.TB) *client { return &client{t: t, changed: make(chan struct{}, 1)} }

func (c *client) note(f func()) {
	c.mu.Lock()
	f()
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

func (c *client) Opened(o feed.Opened) { c.note(func() { c.opened, c.id = o, o.ID }) }
func (c *client) Reset(r feed.Reset, id string) {
	c.note(func() { c.resets, c.id = append(c.resets, r), id })
}
func (c *client) CaughtUp() { c.note(func() { c.caught++ }) }
func (c *client) Keepalive(id string) {
	c.note(func() {
		c.alive++
		if id != "" {
			c.id = id
		}
	})
}
func (c *client) Event(m *feed.Message, id string) {
	if id == "" {
		id = m.ID()
	}
	c.note(func() { c.events, c.id = append(c.events, m.Subject+" "+string(m.Data)), id })
}
func (c *client) Owner() string { return c.owner }
func (c *client) Room(ctx context.Context) error {
	c.mu.Lock()
	stop := c.stop
	c.mu.Unlock()
	if stop {
		<-ctx.Done()
	}
	return ctx.Err()
}

// until waits for a condition on the client.
func (c *client) until(what string, ok func() bool) {
	c.t.Helper()
	timeout := time.After(patience)
	for {
		c.mu.Lock()
		done := ok()
		c.mu.Unlock()
		if done {
			return
		}
		select {
		case <-c.changed:
		case <-timeout:
			c.mu.Lock()
			defer c.mu.Unlock()
			c.t.Fatalf("waited in vain for %s; %d events, resets %v, opened %+v", what, len(c.events), c.resets, c.opened)
		}
	}
}

func (c *client) untilEvents(n int) {
	c.t.Helper()
	c.until(fmt.Sprintf("%d events", n), func() bool { return len(c.events) >= n })
}

func (c *client) lastID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id
}

func (c *client) seen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events)
}

func follow(t testing.TB, h *site, lastID string, subjects ...string) (*client, *feed.Reader) {
	t.Helper()
	c := newClient(t)
	r, err := h.Follow(t.Context(), subjects, feed.Start{LastID: lastID}, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return c, r
}

func numbered(subject string, from, to int) []string {
	var list []string
	for i := from; i <= to; i++ {
		list = append(list, fmt.Sprintf("%s %d", subject, i))
	}
	return list
}

func want(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %q, want %q", what, got, want)
	}
}

// waitWatermark waits until the low watermark is beyond what is stored now.
func (h *site) waitWatermark(t testing.TB) {
	t.Helper()
	st, err := h.node.Store().State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for h.Watermark() < st.Last {
		if time.Now().After(deadline) {
			t.Fatal("the safe floor does not move")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
