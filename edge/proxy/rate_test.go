package proxy

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"weft/edge/route"
)

func TestALimiterTakesWhatABucketOfTokensTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, r := range []route.Rate{{Limit: 10, Burst: 20}, {Limit: 1. / 60, Burst: 1}, {Limit: 3, Burst: 2}} {
			l, other := newLimiter(r), rate.NewLimiter(rate.Limit(r.Limit), r.Burst)
			for i := range 2000 {
				time.Sleep(time.Duration(i%7) * time.Duration(float64(time.Second)/r.Limit) / 10)
				if got, want := l.take(rateKey{}) == 0, other.Allow(); got != want {
					t.Fatalf("%+v: request %d: %v, want %v", r, i, got, want)
				}
			}
		}
	})
}

func TestWhoIsRefusedIsToldWhenToComeBackAndIsTakenThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(route.Rate{Limit: 0.5, Burst: 3})
		for range 3 {
			if l.take(rateKey{}) != 0 {
				t.Fatal("refused within the burst")
			}
		}
		wait := l.take(rateKey{})
		if wait != 2*time.Second {
			t.Fatalf("told to wait for %v", wait)
		}
		time.Sleep(wait)
		if l.take(rateKey{}) != 0 || l.take(rateKey{}) == 0 {
			t.Error("one is to be taken then")
		}
	})
}

func TestALimiterRemembersAtMostAHundredThousandAndForgetsTheIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(route.Rate{Limit: 1, Burst: 10})
		l.take(rateKey{user: "ann"})
		for i := range 3 * mostBuckets {
			l.take(rateKey{user: fmt.Sprint(i)})
			if n := l.buckets(); n > mostBuckets {
				t.Fatalf("%d are remembered", n)
			}
		}
		time.Sleep(time.Minute)
		l.sweep()
		if n := l.buckets(); n != 0 {
			t.Errorf("%d are remembered after a minute in which nobody came", n)
		}
		for range 10 {
			if l.take(rateKey{user: "ann"}) != 0 {
				t.Error("a bucket that is forgotten is not full")
			}
		}
		if l.take(rateKey{user: "ann"}) == 0 {
			t.Error("no limit at all")
		}
	})
}

func TestWhoKeepsComingIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(route.Rate{Limit: 1, Burst: 5})
		taken := 0
		for range 1000 { // ten a second
			if l.take(rateKey{user: "ann"}) == 0 {
				taken++
			}
			time.Sleep(100 * time.Millisecond)
		}
		if taken < 100 || taken > 105 {
			t.Errorf("%d were taken in 100 s", taken)
		}
	})
}

func BenchmarkRouteRate(b *testing.B) {
	l := newLimiter(route.Rate{Limit: 1e6, Burst: 1e6})
	keys := make([]rateKey, 1024)
	for i := range keys {
		keys[i] = rateKey{address: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}
	}
	for i := 0; b.Loop(); i++ {
		l.take(keys[i%len(keys)])
	}
}
