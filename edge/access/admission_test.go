package access

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"weft/edge/problem"
)

func testAdmission() (*Admission, func() float64) {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "delayed"})
	return NewAdmission(c), func() float64 {
		var m dto.Metric
		_ = c.Write(&m) // a counter cannot fail
		return m.Counter.GetValue()
	}
}

// fill takes all places.
func fill(t *testing.T, a *Admission) (places []*Slot) {
	t.Helper()
	for range MaxConnecting {
		place, err := a.Enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, place)
	}
	return places
}

func TestAdmissionNeverDelaysAsLongAsThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, delayed := testAdmission()
		begun := time.Now()
		for range 100 {
			for _, place := range fill(t, a) {
				place.Release()
				place.Release() // gives one place back, not two
			}
		}
		if d := time.Since(begun); d != 0 || delayed() != 0 {
			t.Errorf("waited for %v, %v delayed", d, delayed())
		}
	})
}

func TestAdmissionLetsInWhoWaitedWhenAPlaceIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := testAdmission()
		places := fill(t, a)
		time.AfterFunc(slotWait/2, places[0].Release)
		begun := time.Now()
		if _, err := a.Enter(t.Context()); err != nil || time.Since(begun) != slotWait/2 {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		left := errors.New("the client has left")
		time.AfterFunc(slotWait/2, func() { cancel(left) })
		if _, err := a.Enter(ctx); err != left {
			t.Errorf("who left meanwhile: %v", err)
		}
	})
}

// Of 5,000 that come at once to a node that stands still as many wait as may, all
// others are told at once, and their times to come back are spread.
func TestAdmissionSpreadsAStorm(t *testing.T) {
	const clients = 5000
	synctest.Test(t, func(t *testing.T) {
		a, delayed := testAdmission()
		fill(t, a)
		var mu sync.Mutex
		var backs []time.Duration
		atOnce := 0
		begun := time.Now()
		var storm sync.WaitGroup
		for range clients {
			storm.Go(func() {
				_, err := a.Enter(t.Context())
				mu.Lock()
				defer mu.Unlock()
				p, ok := errors.AsType[*problem.Problem](err)
				if !ok || p.Code != problem.NotReady {
					t.Errorf("answered %v", err)
					return
				}
				backs = append(backs, p.RetryAfter)
				if time.Since(begun) == 0 {
					atOnce++
				}
			})
		}
		storm.Wait()
		if d := time.Since(begun); d != slotWait {
			t.Errorf("the last one was told after %v", d)
		}
		if atOnce != clients-maxWaiting || delayed() != clients {
			t.Errorf("%d told at once, %v delayed", atOnce, delayed())
		}
		slices.Sort(backs)
		if backs[0] < leastBack || backs[clients-1] > longest+leastBack {
			t.Errorf("come back between %v and %v", backs[0], backs[clients-1])
		}
		for i := 0; i+1500 < clients; i += 500 { // at most half as many again as the node takes in a second
			if backs[i+1500]-backs[i] < time.Second {
				t.Errorf("1500 come back within %v", backs[i+1500]-backs[i])
			}
		}
		// When the storm is over nothing of it is left.
		time.Sleep(time.Minute)
		if p := problem.Of(a.later()); p.RetryAfter > 2*leastBack {
			t.Errorf("a minute later: %v", p.RetryAfter)
		}
	})
}

// The slower the node lets clients in while it is busy, the later it asks them to
// come back.
func TestAdmissionLearnsHowFastTheNodeIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := testAdmission()
		places := fill(t, a)
		for range 5 * 400 { // 400 a second, for five seconds
			time.Sleep(time.Second / 400)
			places[0].Release()
			place, err := a.Enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			places[0] = place
			a.waited()
		}
		if a.rate < 350 || a.rate > 450 {
			t.Errorf("rate %v, want about 400 a second", a.rate)
		}
	})
}
