package proxy

import (
	"net/netip"
	"sync"
	"time"

	"weft/edge/access"
	"weft/edge/route"
)

// mostBuckets bounds of how many users or addresses a route remembers the rate.
const mostBuckets = 100_000

// A rateKey is by what requests are counted: a user, an address, or nothing.
type rateKey struct {
	user    string
	address netip.Addr
}

// A limiter is the token buckets of a route. A bucket is one number, the time at which it
// will be full again (the generic cell rate algorithm, which takes and refuses the same
// requests as a bucket of tokens), and full ones need not be remembered: they are dropped
// with all others that nobody asked for in a while.
type limiter struct {
	rate   route.Rate
	every  time.Duration // one token
	depth  time.Duration // burst tokens
	turned time.Duration // between two turns

	mu         sync.Mutex
	young, old map[rateKey]time.Duration // full at this time since began
	began      time.Time
	turn       time.Duration // the next one; 0: there is nothing to drop
}

func newLimiter(r route.Rate) *limiter {
	every := time.Duration(float64(time.Second) / r.Limit)
	depth := time.Duration(float64(time.Second) / r.Limit * float64(r.Burst))
	return &limiter{rate: r, every: every, depth: depth, turned: max(depth, time.Second), began: time.Now(), young: map[rateKey]time.Duration{}}
}

// key is by what a route counts a request.
func (l *limiter) key(c *route.Call) rateKey {
	switch l.rate.Per {
	case route.PerUser:
		return rateKey{user: c.User}
	case route.PerAddress:
		return rateKey{address: access.CountedAs(c.Address)}
	}
	return rateKey{}
}

// take takes a token, or says when there will be one.
func (l *limiter) take(k rateKey) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.began)
	l.forget(now)
	full, known := l.young[k]
	if !known {
		full = l.old[k]
	}
	full = max(full, now) + l.every
	if wait = full - now - l.depth; wait > 0 {
		return wait
	}
	if !known && len(l.young) >= mostBuckets/2 {
		l.next(now)
	}
	l.young[k] = full
	return 0
}

// forget drops what was not asked for since the turn before the last one: it is full.
func (l *limiter) forget(now time.Duration) {
	switch {
	case l.turn == 0:
		l.turn = now + l.turned
	case now >= l.turn+l.turned:
		l.next(now)
		l.next(now)
	case now >= l.turn:
		l.next(now)
	}
}

// next is a turn: of the young and the old ones together there are mostBuckets at most.
func (l *limiter) next(now time.Duration) {
	l.old, l.young = l.young, make(map[rateKey]time.Duration)
	l.turn = now + l.turned
}

// sweep drops what is full of a route that nobody asks for any more.
func (l *limiter) sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.young)+len(l.old) > 0 {
		l.forget(time.Since(l.began))
	}
}

// buckets is how many are remembered.
func (l *limiter) buckets() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.young) + len(l.old)
}
