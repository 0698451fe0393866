package proxy

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"weft/edge/chain"
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

// A place is where an exchange is in a list; shard is that of the list.
type place struct {
	chain.Links[exchange]
	shard uint32
}

// linksOf are the functions that find the neighbours of an exchange, for each place.
var linksOf = [places]func(*exchange) *chain.Links[exchange]{
	inAll:   func(x *exchange) *chain.Links[exchange] { return &x.places[inAll].Links },
	byToken: func(x *exchange) *chain.Links[exchange] { return &x.places[byToken].Links },
	byUser:  func(x *exchange) *chain.Links[exchange] { return &x.places[byUser].Links },
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
	x.places[inAll].shard = at
	chain.Push(&s.all, x, linksOf[inAll])
	s.mu.Unlock()
	r.link(byToken, x.call.Session, x)
	r.link(byUser, x.call.User, x)
	x.entered = true
	return true
}

// remove forgets an exchange that was entered.
func (r *running) remove(x *exchange) {
	s := &r.shards[x.places[inAll].shard]
	s.mu.Lock()
	chain.Drop(&s.all, x, linksOf[inAll])
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
	x.places[which].shard = at
	chain.PushTo(s.index[which], key, x, linksOf[which])
}

func (r *running) unlink(which int, key string, x *exchange) {
	if key == "" {
		return
	}
	s := &r.shards[x.places[which].shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	chain.DropFrom(s.index[which], key, x, linksOf[which])
}

// list are those of a token or a user.
func (r *running) list(which int, key string) []*exchange {
	s := &r.shards[maphash.String(r.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	return chain.Of(s.index[which][key], linksOf[which])
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
		for x := s.all; x != nil; x = x.places[inAll].Next() {
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
