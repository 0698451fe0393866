package feed_test

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/event"
	"weft/jetstream/feed"
	"weft/jetstream/replica"
	"weft/jetstream/store"
)

// A modelNode is one node's view of the world, with a copy of the stream of its own. What is
// not said to be somebody else's is guarded by the world's lock.
type modelNode struct {
	*world
	token string
	index *replica.Index
	copy  *modelCopy    // nil when there is none
	slow  time.Duration // what some look-ups of it take
}

// A modelCopy is one life of a node's own copy.
type modelCopy struct {
	world *world
	node  *modelNode
	id    event.StreamID
	short int // up to where it has let go of messages
	end   int // up to where it has come, while it stands still; else 0
}

func newModelNode(w *world, token string) *modelNode {
	n := &modelNode{world: w, token: token}
	n.renew()
	return n
}

// renew gives the node a copy of its own, and forgets what was known of the one before.
func (n *modelNode) renew() {
	n.index = replica.New(func() (replica.Copy, bool) {
		n.mu.Lock()
		defer n.mu.Unlock()
		switch {
		case n.copy == nil:
			return nil, false
		case n.copy.id != n.id: // of the stream that was made anew
			n.copy = &modelCopy{world: n.world, node: n, id: n.id}
		}
		return n.copy, true
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	n.copy = &modelCopy{world: n.world, node: n, id: n.id}
}

// trouble is what happens to a copy: it is gone, or comes back as another one, stands still,
// goes on, becomes slow, or lets go of what others keep.
func (n *modelNode) trouble() {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.copy
	switch what := n.rnd.IntN(8); {
	case c == nil || what == 0:
		n.copy = &modelCopy{world: n.world, node: n, id: n.id}
	case what == 1:
		n.copy = nil
	case what == 2:
		c.end = len(n.log)
	case what == 3:
		n.slow = time.Duration(n.rnd.IntN(4000)) * time.Millisecond // it may be given up
	case what == 4:
		c.short = max(c.short, n.rnd.IntN(len(n.log)+1))
	default:
		c.end, n.slow = 0, time.Duration(n.rnd.IntN(2))*time.Millisecond
	}
}

// After is answered by the own copy.
func (n *modelNode) After(ctx context.Context, subject string, after, until uint64, limit, maxBytes int) (b store.Batch, ok bool) {
	found, more, ok := n.index.After(ctx, subject, after, until, min(limit, 7), maxBytes, uint64(n.limit))
	if !ok {
		return b, false
	}
	b.Messages = found
	if more {
		b.Pending = 1
	}
	return b, true
}

// rest takes the time that a look-up does.
func (c *modelCopy) rest() {
	c.world.mu.Lock()
	var d time.Duration
	if c.world.rnd.IntN(20) == 0 {
		d = c.node.slow
	}
	c.world.mu.Unlock()
	time.Sleep(d)
}

// endLocked is up to where it has come: most are behind at times.
func (c *modelCopy) endLocked() int {
	switch {
	case c.id != c.world.id: // it stands still for good
		return 0
	case c.end > 0:
		return c.end
	}
	return len(c.world.log)
}

func (c *modelCopy) Bounds() (first, last uint64) {
	c.rest()
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	return uint64(c.short + 1), uint64(c.endLocked())
}

func (c *modelCopy) Next(subject string, from uint64) (uint64, string, bool) {
	if subject != "" { // else others wait for the index, with a lock
		c.rest()
	}
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	end := c.endLocked()
	for i := max(int(from)-1, c.short); i < end; i++ {
		if of := c.world.log[i].Subject; (subject == "" || of == subject) && !c.world.goneLocked(i, end) {
			return uint64(i + 1), of, true
		}
	}
	return 0, "", true
}

func (c *modelCopy) Load(seq uint64) (event.Stored, bool) {
	c.rest()
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	i, end := int(seq)-1, c.endLocked()
	if i < c.short || i >= end || c.world.goneLocked(i, end) {
		return event.Stored{}, false
	}
	return c.world.log[i], true
}

// open starts the hub of a node.
func (m *model) open(n *modelNode) *feed.Hub {
	h := feed.New(m.world.params(n), slog.New(alarm{t: m.t}), prometheus.NewRegistry())
	if err := h.Open(context.Background()); err != nil {
		m.t.Error(err)
	}
	return h
}

func (m *model) close(i int) {
	if err := m.hubs[i].Close(); err != nil {
		m.t.Error(err)
	}
	n := m.nodes[i]
	n.mu.Lock()
	n.slow = 0
	n.mu.Unlock()
	time.Sleep(5 * time.Second) // whoever was given up comes back
	n.index.Close()
}

// restart stops a node, and starts it again after a while.
func (m *model) restart(i int) {
	m.close(i)
	m.rest(300 * time.Millisecond)
	m.nodes[i].renew()
	h := m.open(m.nodes[i])
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hubs[i] = h
}

// follow attaches a viewer to any node that runs.
func (m *model) follow(subjects []string, start feed.Start, v *viewer) (r *feed.Reader, ok bool) {
	for {
		i := m.roll(len(m.nodes))
		m.mu.Lock()
		h := m.hubs[i]
		m.mu.Unlock()
		r, err := h.Follow(context.Background(), subjects, start, v)
		if err == nil {
			return r, true
		}
		if !errors.Is(err, feed.ErrClosed) {
			m.t.Error(err)
			return nil, false
		}
		time.Sleep(10 * time.Millisecond)
	}
}
