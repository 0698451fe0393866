package proxy

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"weft/edge/problem"
	"weft/edge/session"
	"weft/jetstream/blacklist"
)

// shards is how many parts the running requests are kept in, each with a lock of its own.
const shards = 32

// Places of an exchange: among all, by token and by user.
const (
	inAll = iota
	byToken
	byUser
	places
)

// links are the neighbours of an exchange in a list; shard is that of the list.
type links struct {
	prev, next *exchange
	shard      uint32
}

// running are the requests that are being served. It is safe for concurrent use.
type running struct {
	seed   maphash.Seed
	turn   atomic.Uint32
	n      atomic.Int64
	zero   chan struct{} // has an element when n may have become 0
	shards [shards]shard
}

type shard struct {
	mu     sync.Mutex
	closed bool // nobody enters any more
	all    *exchange
	index  [places]map[string]*exchange // heads of lists; none in inAll
}

func newRunning() *running {
	r := &running{seed: maphash.MakeSeed(), zero: make(chan struct{}, 1)}
	for i := range r.shards {
		r.shards[i].index = [places]map[string]*exchange{byToken: {}, byUser: {}}
	}
	return r
}

// add enters an exchange, with the session and the user of its call, and reports false
// when the node stops.
func (r *running) add(x *exchange) bool {
	r.n.Add(1)
	at := r.turn.Add(1) % shards
	s := &r.shards[at]
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		r.less()
		return false
	}
	x.links[inAll] = links{next: s.all, shard: at}
	if s.all != nil {
		s.all.links[inAll].prev = x
	}
	s.all = x
	s.mu.Unlock()
	r.link(byToken, x.call.Session, x)
	r.link(byUser, x.call.User, x)
	x.entered = true
	return true
}

// remove forgets an exchange that was entered.
func (r *running) remove(x *exchange) {
	l := &x.links[inAll]
	s := &r.shards[l.shard]
	s.mu.Lock()
	if l.next != nil {
		l.next.links[inAll].prev = l.prev
	}
	if l.prev != nil {
		l.prev.links[inAll].next = l.next
	} else {
		s.all = l.next
	}
	s.mu.Unlock()
	r.unlink(byToken, x.call.Session, x)
	r.unlink(byUser, x.call.User, x)
	r.less()
}

func (r *running) less() {
	if r.n.Add(-1) == 0 {
		select {
		case r.zero <- struct{}{}:
		default:
		}
	}
}

func (r *running) link(which int, key string, x *exchange) {
	if key == "" {
		return
	}
	at := uint32(maphash.String(r.seed, key) % shards)
	s := &r.shards[at]
	s.mu.Lock()
	defer s.mu.Unlock()
	head := s.index[which][key]
	x.links[which] = links{next: head, shard: at}
	if head != nil {
		head.links[which].prev = x
	}
	s.index[which][key] = x
}

func (r *running) unlink(which int, key string, x *exchange) {
	if key == "" {
		return
	}
	l := &x.links[which]
	s := &r.shards[l.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.next != nil {
		l.next.links[which].prev = l.prev
	}
	switch {
	case l.prev != nil:
		l.prev.links[which].next = l.next
	case l.next != nil:
		s.index[which][key] = l.next
	default:
		delete(s.index[which], key)
	}
}

// list are those of a token or a user.
func (r *running) list(which int, key string) []*exchange {
	s := &r.shards[maphash.String(r.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*exchange
	for x := s.index[which][key]; x != nil; x = x.links[which].next {
		out = append(out, x)
	}
	return out
}

// cut ends the requests that a new entry of the blacklist revokes. It does not block.
func (r *running) cut(e blacklist.Entry) {
	if e.Session != "" {
		for _, x := range r.list(byToken, e.Session) {
			x.end(revoked())
		}
	}
	if e.User != "" {
		for _, x := range r.list(byUser, e.User) {
			if e.Cuts(x.call.Session, x.call.User, x.issued) {
				x.end(revoked())
			}
		}
	}
}

func revoked() error { return problem.New(problem.TokenRevoked, session.Revoked.Ending().Detail) }

func expired() error { return problem.New(problem.TokenExpired, session.Expired.Ending().Detail) }

// endAll ends those for which ok holds; close lets nobody enter any more.
func (r *running) endAll(cause error, closing bool, ok func(*exchange) bool) (n int) {
	for i := range r.shards {
		s := &r.shards[i]
		var list []*exchange
		s.mu.Lock()
		s.closed = s.closed || closing
		for x := s.all; x != nil; x = x.links[inAll].next {
			if ok(x) {
				list = append(list, x)
			}
		}
		s.mu.Unlock()
		for _, x := range list {
			x.end(cause)
		}
		n += len(list)
	}
	return n
}

// wait returns when nothing runs, or after d, or when ctx ends.
func (r *running) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for r.n.Load() > 0 {
		select {
		case <-r.zero:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
