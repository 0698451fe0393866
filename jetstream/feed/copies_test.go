package feed_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"weft/jetstream"
	"weft/jetstream/event"
	"weft/jetstream/feed"
	"weft/jetstream/natsconn"
	"weft/jetstream/store"
)

// copies is a connection that delivery copies come by, of which a test can lose some,
// hold up all, or bring some twice.
type copies struct {
	*natsconn.Live
	interrupted func(why string)

	mu      sync.Mutex // held while a copy is delivered
	deliver func(*event.Copy)
	lost    map[string]bool // subjects of copies
	kept    []*event.Copy   // of which subjects, nil for none
	keep    string

	known sync.Mutex
	ids   map[string]natsconn.Subscription
}

// paramsOf are a hub's params with the copies and the store of a test. The node is taken for one of several, so
// that the low watermark rises at each tick.
func paramsOf(node *jetstream.Node) (feed.Params, *copies, *slowStore) {
	s := &slowStore{Store: node.Store(), held: map[string]*held{}}
	c := &copies{lost: map[string]bool{}, ids: map[string]natsconn.Subscription{}}
	p := feed.Params{Store: s, Presence: node.Presence(), Relinked: node.Cluster().Links().Relinked, Clustered: true, Token: node.Token()}
	p.OpenCopies = func(deliver func(*event.Copy), interrupted func(why string)) (_ feed.Copies, err error) {
		c.deliver, c.interrupted = deliver, interrupted
		if c.Live, err = node.OpenLive(c.take, interrupted); err != nil {
			return nil, err
		}
		return c, nil
	}
	return p, c, s
}

func (c *copies) take(m *event.Copy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if string(m.Subject) == c.keep {
		kept := *m
		kept.Subject, kept.Data = bytes.Clone(m.Subject), bytes.Clone(m.Data)
		c.kept = append(c.kept, &kept)
	}
	if !c.lost[string(m.Subject)] {
		c.deliver(m)
	}
}

func (c *copies) Subscribe(subject string) natsconn.Subscription {
	id := c.Live.Subscribe(subject)
	c.known.Lock()
	defer c.known.Unlock()
	c.ids[subject] = id
	return id
}

// leave lets go of a subject behind the hub's back.
func (c *copies) leave(subject string) {
	c.known.Lock()
	id := c.ids["out."+subject]
	c.known.Unlock()
	c.Unsubscribe(id)
}

// lose says whether the copies of a subject are lost.
func (c *copies) lose(subject string, lost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost["out."+subject] = lost
}

// deaf loses the copies of what f publishes on a subject.
func (c *copies) deaf(t testing.TB, subject string, f func()) {
	t.Helper()
	c.lose(subject, true)
	f()
	c.flush(t) // what is acknowledged has come by then
	c.lose(subject, false)
}

func (c *copies) flush(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// twice keeps the copies of a subject that come while f runs, and brings them once more.
func (c *copies) twice(t testing.TB, subject string, f func()) {
	t.Helper()
	c.mu.Lock()
	c.keep = "out." + subject
	c.mu.Unlock()
	f()
	c.flush(t)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range slices.Clone(c.kept) {
		c.deliver(m)
	}
	c.keep, c.kept = "", nil
}

// A slowStore is a node's, of which a test can hold up what is read of a subject.
type slowStore struct {
	feed.Store

	mu   sync.Mutex
	held map[string]*held
}

// After leaves what is held up to Read.
func (s *slowStore) After(ctx context.Context, subject string, after, until uint64, limit, maxBytes int) (store.Batch, bool) {
	s.mu.Lock()
	held := s.held[subject] != nil
	s.mu.Unlock()
	if held {
		return store.Batch{}, false
	}
	return s.Store.After(ctx, subject, after, until, limit, maxBytes)
}

// held is a read that has its answer, but does not return yet.
type held struct {
	store     *slowStore
	subject   string
	come, let chan struct{}
	once      sync.Once
}

// hold holds up what is read of a subject from now on, until it is released.
func (s *slowStore) hold(subject string) *held {
	h := &held{store: s, subject: subject, come: make(chan struct{}), let: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[subject] = h
	return h
}

func (s *slowStore) Read(ctx context.Context, subject string, from uint64, limit, maxBytes int) (store.Batch, error) {
	b, err := s.Store.Read(ctx, subject, from, limit, maxBytes)
	s.mu.Lock()
	h := s.held[subject]
	s.mu.Unlock()
	if h != nil && err == nil {
		h.once.Do(func() { close(h.come) })
		select {
		case <-h.let:
		case <-ctx.Done():
		}
	}
	return b, err
}

// reached waits for the read.
func (h *held) reached(t testing.TB) {
	t.Helper()
	select {
	case <-h.come:
	case <-time.After(patience):
		t.Fatalf("%s is not read", h.subject)
	}
}

func (h *held) release() {
	h.store.mu.Lock()
	delete(h.store.held, h.subject)
	h.store.mu.Unlock()
	close(h.let)
}
