package access

import (
	"errors"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("192.0.2.2")
)

func newLimiter(t *testing.T, limits Limits) *Limiter {
	t.Helper()
	l, err := NewLimiter(limits, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func acquire(t *testing.T, l *Limiter, a netip.Addr, user string) func() {
	t.Helper()
	release, err := l.Acquire(a, user)
	if err != nil {
		t.Fatalf("%v %q: %v", a, user, err)
	}
	return release
}

func wantLimit(t *testing.T, l *Limiter, a netip.Addr, user, limit string) {
	t.Helper()
	_, err := l.Acquire(a, user)
	var le *LimitError
	if !errors.As(err, &le) || !errors.Is(err, ErrLimit) || le.Limit != limit || le.RetryAfter <= 0 || le.Error() == "" {
		t.Errorf("%v %q: error is %v, want limit %s", a, user, err, limit)
	}
}

func TestWithoutLimitsEverybodyGetsIn(t *testing.T) {
	l := newLimiter(t, Limits{})
	for range 1000 {
		acquire(t, l, here, "ann")
	}
	if len(l.users)+len(l.addresses) > 0 {
		t.Error("counts are kept that no limit needs")
	}
}

func TestEachCountIsLimitedAndGivenBack(t *testing.T) {
	l := newLimiter(t, Limits{Connections: 2})
	release := acquire(t, l, here, "ann")
	acquire(t, l, there, "bob")
	wantLimit(t, l, here, "eve", "connections")
	release()
	release() // once is enough
	acquire(t, l, here, "eve")
	wantLimit(t, l, here, "ann", "connections")

	l = newLimiter(t, Limits{PerUser: 1})
	release = acquire(t, l, here, "ann")
	wantLimit(t, l, there, "ann", "per_user")
	acquire(t, l, here, "bob")
	acquire(t, l, here, "") // visitors are no user
	acquire(t, l, here, "")
	release()
	acquire(t, l, there, "ann")

	l = newLimiter(t, Limits{PerAddress: 2})
	release = acquire(t, l, here, "ann")
	acquire(t, l, here, "bob")
	wantLimit(t, l, here, "", "per_address")
	wantLimit(t, l, netip.MustParseAddr("::ffff:192.0.2.1"), "", "per_address")
	acquire(t, l, there, "")
	release()
	acquire(t, l, here, "")
}

func TestAnIPv6ClientCountsByItsNetwork(t *testing.T) {
	l := newLimiter(t, Limits{PerAddress: 1})
	acquire(t, l, netip.MustParseAddr("2001:db8:0:1::1"), "")
	wantLimit(t, l, netip.MustParseAddr("2001:db8:0:1:ffff::2"), "", "per_address")
	acquire(t, l, netip.MustParseAddr("2001:db8:0:2::1"), "")
}

func TestNewConnectionsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, Limits{ConnectsPerSecond: 10, PerUser: 1})
		acquire(t, l, here, "greedy")
		for range 100 { // who is refused by a count does not use up the pace
			wantLimit(t, l, here, "greedy", "per_user")
		}
		for range 9 {
			acquire(t, l, here, "")
		}
		wantLimit(t, l, here, "", "connects_per_second")
		time.Sleep(500 * time.Millisecond)
		for range 5 {
			acquire(t, l, here, "")
		}
		wantLimit(t, l, here, "", "connects_per_second")
	})
}

func TestNothingIsRememberedOfThoseWhoLeft(t *testing.T) {
	l := newLimiter(t, Limits{PerUser: 5, PerAddress: 5})
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			a := netip.AddrFrom4([4]byte{10, 0, 0, byte(i % 50)})
			for range 20 {
				release, err := l.Acquire(a, strconv.Itoa(i))
				if err != nil {
					continue // another of this address is quicker
				}
				release()
			}
		})
	}
	all.Wait()
	if l.total != 0 || len(l.users) != 0 || len(l.addresses) != 0 {
		t.Errorf("left are %d connections, users %v, addresses %v", l.total, l.users, l.addresses)
	}
}
