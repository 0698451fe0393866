package access

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// ErrLimit is wrapped by every *LimitError.
var ErrLimit = errors.New("limit reached")

// retryFull is when a client that found no room may try again. Room appears
// when somebody leaves, which nobody can foretell.
const retryFull = 5 * time.Second

// Limits bound connections; 0 is no limit.
type Limits struct {
	// Connections of the node, per user, and per client address (an IPv6
	// client counts by its /64, of which it can use every address). What has no
	// session is counted per address, too, see Arrive.
	Connections int `yaml:"connections"`
	PerUser     int `yaml:"per_user"`
	PerAddress  int `yaml:"per_address"`
	// ConnectsPerSecond bounds how fast the node takes new ones.
	ConnectsPerSecond int `yaml:"connects_per_second"`
}

// check tells bad what is wrong.
func (l *Limits) check(bad func(key string, err error)) {
	for _, limit := range []struct {
		key string
		n   int
	}{
		{"connections", l.Connections}, {"per_user", l.PerUser},
		{"per_address", l.PerAddress}, {"connects_per_second", l.ConnectsPerSecond},
	} {
		if limit.n < 0 {
			bad("limits."+limit.key, fmt.Errorf("%d is negative; 0 is no limit", limit.n))
		}
	}
}

// limitNames are the keys of Limits.
var limitNames = []string{"connections", "per_user", "per_address", "connects_per_second"}

// A LimitError says which limit was reached. Its text is safe to show.
type LimitError struct {
	Limit string // the key: connections, per_user, per_address or connects_per_second
	// RetryAfter is when to try again at the earliest, not jittered.
	RetryAfter time.Duration
}

func (e *LimitError) Error() string {
	switch e.Limit {
	case "per_user":
		return "this user has too many connections"
	case "per_address":
		return "this address has too many connections"
	case "connects_per_second":
		return "too many clients are connecting at once"
	}
	return "this node has too many connections"
}

// Unwrap returns ErrLimit.
func (e *LimitError) Unwrap() error { return ErrLimit }

// Limiter counts the connections of a node. Its methods may be called
// concurrently. Its memory grows with open connections only.
type Limiter struct {
	limits  Limits
	rate    *rate.Limiter // nil: none
	refused *prometheus.CounterVec

	mu        sync.Mutex
	total     int
	users     map[string]int
	addresses map[netip.Addr]int
	idle      map[netip.Addr]int // connections without a session
}

// room is for how many users there is room from the start.
const room = 1024

// NewLimiter makes a limiter. reg may be nil.
func NewLimiter(limits Limits, reg prometheus.Registerer) (*Limiter, error) {
	l := &Limiter{
		limits: limits, users: make(map[string]int, room), addresses: map[netip.Addr]int{}, idle: map[netip.Addr]int{},
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_admit_refusals_total",
			Help: "Connections that were refused, by the limit that was reached.",
		}, []string{"limit"}),
	}
	for _, limit := range limitNames {
		l.refused.WithLabelValues(limit)
	}
	if n := limits.ConnectsPerSecond; n > 0 {
		l.rate = rate.NewLimiter(rate.Limit(n), n)
	}
	if reg != nil {
		if err := reg.Register(l.refused); err != nil {
			return nil, fmt.Errorf("register metrics of access: %w", err)
		}
	}
	return l, nil
}

// Acquire gives a permit for a connection of user, "" for a visitor without one,
// from addr. release gives it back and may be called more than once. The error
// is a *LimitError. Whoever is refused by a count does not use up the rate, so
// that one greedy client cannot keep the others out.
func (l *Limiter) Acquire(addr netip.Addr, user string) (release func(), err error) {
	addr = CountedAs(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case over(l.total, l.limits.Connections):
		return nil, l.refuse("connections", retryFull)
	case user != "" && over(l.users[user], l.limits.PerUser):
		return nil, l.refuse("per_user", retryFull)
	case over(l.addresses[addr], l.limits.PerAddress):
		return nil, l.refuse("per_address", retryFull)
	case l.rate != nil && !l.rate.Allow():
		return nil, l.refuse("connects_per_second", time.Second)
	}
	l.total++
	if l.limits.PerUser > 0 && user != "" {
		l.users[user]++
	}
	if l.limits.PerAddress > 0 {
		l.addresses[addr]++
	}
	return (&permit{l: l, addr: addr, user: user}).release, nil
}

// A permit is what Acquire gave; guarded by the limiter's mu.
type permit struct {
	l        *Limiter
	addr     netip.Addr
	user     string
	released bool
}

func (p *permit) release() {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	if p.released {
		return
	}
	p.released = true
	p.l.total--
	less(p.l.users, p.user)
	less(p.l.addresses, p.addr)
}

func (l *Limiter) refuse(limit string, after time.Duration) error {
	l.refused.WithLabelValues(limit).Inc()
	return &LimitError{Limit: limit, RetryAfter: after}
}

func over(n, limit int) bool { return limit > 0 && n >= limit }

// less takes one from a count and forgets it at zero.
func less[K comparable](counts map[K]int, k K) {
	switch n := counts[k]; {
	case n > 1:
		counts[k] = n - 1
	case n == 1:
		delete(counts, k)
	}
}

// CountedAs is the address by which a client is counted: an IPv6 client has a whole /64.
func CountedAs(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}
