package feed

import (
	"context"
	"strings"
	"sync"
	"time"

	"weft/jetstream/subject"
)

const (
	// linger is how long a feed stays after its last connection has left, so
	// that a page reload costs nothing.
	linger = 5 * time.Second
	// room is for how many feeds there is room from the start.
	room = 1024
)

// A directory finds the feeds of a node. Feeds are in it from when a connection asks
// for their subject until some time after the last one has left.
type directory struct {
	hub *Hub

	mu       sync.RWMutex
	feeds    map[string]*feed   // by key
	patterns map[*feed]struct{} // those of wildcards
	shares   shares
	closed   bool
}

func newDirectory(h *Hub) *directory {
	return &directory{hub: h, feeds: make(map[string]*feed, room), patterns: make(map[*feed]struct{}), shares: make(shares)}
}

// keyOf is what a feed is found by: the subject of the delivery copies, or the wildcard.
func keyOf(s string) (key string, wild bool) {
	if subject.IsPattern(s) {
		return s, true
	}
	return subject.Out + s, false
}

// lookup returns the feed of a key, or nil.
func (d *directory) lookup(key []byte) *feed {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.feeds[string(key)]
}

// follows reports whether connections of this node follow a subject by its
// name, or did until a moment ago. It does not depend on the live connection.
func (d *directory) follows(s string) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	f := d.feeds[subject.Out+s]
	return f != nil && !d.closed
}

// hold reports whether all the subjects have feeds that are open.
func (d *directory) hold(subjects []string) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, s := range subjects {
		key, _ := keyOf(s)
		f := d.feeds[key]
		if f == nil {
			return false
		}
		select {
		case <-f.opened:
		default:
			return false
		}
	}
	return true
}

// all returns the feeds as they are now.
func (d *directory) all() []*feed {
	d.mu.RLock()
	defer d.mu.RUnlock()
	list := make([]*feed, 0, len(d.feeds))
	for _, f := range d.feeds {
		list = append(list, f)
	}
	return list
}

// acquire returns the feed of a subject, opened, for a connection of owner. release
// must be called. leaving as of enter.
func (d *directory) acquire(ctx context.Context, s, owner string, leaving []string) (*feed, error) {
	f, err := d.enter(s, owner, leaving)
	if err != nil {
		return nil, err
	}
	select {
	case <-f.opened:
		return f, nil
	case <-ctx.Done():
		d.release(f, owner)
		return nil, ctx.Err()
	case <-d.hub.ctx.Done():
		return nil, errClosed
	}
}

// enter counts a connection in at the feed of a subject, which is made if there is
// none. The places of wildcards that the connection is leaving are free for it.
func (d *directory) enter(s, owner string, leaving []string) (*feed, error) {
	key, wild := keyOf(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	f := d.feeds[key]
	var ofOwner, ofNode int
	if wild {
		ofOwner, ofNode = d.freedLocked(owner, leaving)
		if err := d.shares.room(owner, f, ofOwner); err != nil {
			return nil, err
		}
	}
	if f == nil {
		if wild && len(d.patterns)-ofNode >= maxPatterns && !d.evictLocked() {
			return nil, ErrPatterns
		}
		f = newFeed(d.hub, s, key, wild)
		d.feeds[key] = f
		if wild {
			d.patterns[f] = struct{}{}
		}
		d.hub.metrics.feeds.Inc()
		d.hub.openings.open(f)
	}
	if wild {
		d.shares.take(owner, f)
	}
	f.users++
	if f.leaving != nil {
		f.leaving.Stop()
		f.leaving = nil
	}
	return f, nil
}

// freedLocked counts the wildcards that nobody else of the owner follows, and those that
// nobody else at all does.
func (d *directory) freedLocked(owner string, leaving []string) (ofOwner, ofNode int) {
	for _, s := range leaving {
		key, wild := keyOf(s)
		f := d.feeds[key]
		if !wild || f == nil {
			continue
		}
		if d.shares[owner][f] == 1 {
			ofOwner++
		}
		if f.users == 1 {
			ofNode++
		}
	}
	return ofOwner, ofNode
}

// release lets go of a feed for a connection of owner; some time after the last one
// has it ends.
func (d *directory) release(f *feed, owner string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f.wild {
		d.shares.give(owner, f)
	}
	if f.users--; f.users > 0 || d.closed {
		return
	}
	f.leaving = time.AfterFunc(linger, func() { d.drop(f) })
}

func (d *directory) drop(f *feed) {
	d.mu.Lock()
	if f.users > 0 || d.feeds[f.key] != f {
		d.mu.Unlock()
		return
	}
	d.forgetLocked(f)
	d.mu.Unlock()
	f.end()
}

// evictLocked drops a wildcard that only lingers. It reports whether there was one.
func (d *directory) evictLocked() bool {
	for f := range d.patterns {
		if f.users == 0 {
			d.forgetLocked(f)
			f.lifetime.end() // of a wildcard there is nothing else to let go
			return true
		}
	}
	return false
}

// forgetLocked takes a feed that nobody follows out of the directory; it must be ended.
func (d *directory) forgetLocked(f *feed) {
	delete(d.feeds, f.key)
	delete(d.patterns, f)
	d.hub.metrics.feeds.Dec()
}

// close lets nobody in any more.
func (d *directory) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

// counted tells that a feed has one subscription more, or less.
func (d *directory) counted(f *feed) {
	if !f.wild && strings.HasPrefix(f.subject, subject.Topic) {
		d.hub.p.Presence.Changed(f.subject)
	}
}

// Followers is how many connections of this node follow a topic by its name.
func (h *Hub) Followers(topic string) int {
	f := h.feeds.find(topic)
	if f == nil {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.subs)
}

// Receivers are some of them, at most limit.
func (h *Hub) Receivers(topic string, limit int) []Receiver {
	f := h.feeds.find(topic)
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Receiver, min(limit, len(f.subs)))
	for i := range list {
		list[i] = f.subs[i].reader.rcv
	}
	return list
}

// find returns the feed of an exact subject, or nil.
func (d *directory) find(s string) *feed {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.feeds[subject.Out+s]
}
