package presence

import (
	"math/rand/v2"
	"testing"
	"time"

	"weft/jetstream/rpc"
)

func replies(node string, data []byte) []rpc.Reply { return []rpc.Reply{{Node: node, Data: data}} }

// A fall is shown as the greatest count of the last five seconds, whatever comes between.
func TestAFallIsTheMostOfTheLastFiveSeconds(t *testing.T) {
	zero := time.Now()
	r := rand.New(rand.NewPCG(1, 2))
	f := face{zero: zero}
	f.begin(zero)
	type moment struct {
		at time.Time
		n  int
	}
	past := []moment{{zero, 0}}
	now, shownAt := zero, zero
	most := 0
	for range 20_000 {
		now = now.Add(time.Duration(r.IntN(400)) * time.Millisecond)
		n := r.IntN(100)
		if r.IntN(20) == 0 {
			now = now.Add(20 * time.Second)
			f.show(now)
			n = 0
		}
		f.saw(now, count{n, false})
		past = append(past, moment{now, n})
		before := f.shown.connections
		if changed, _ := f.show(now); !changed {
			continue
		}
		if now.Sub(shownAt) < every {
			t.Fatalf("shown after %v", now.Sub(shownAt))
		}
		shownAt = now
		// What was more must be longer ago than that, for some of a fall to be shown.
		greatest := func(ago time.Duration) (n int) {
			for i, m := range past {
				if i+1 == len(past) || past[i+1].at.After(now.Add(-ago)) {
					n = max(n, m.n)
				}
			}
			return n
		}
		switch shown := f.shown.connections; {
		case shown < before && (before <= greatest(hold) || shown < greatest(hold-early)):
			t.Fatalf("shown %d after %d, but there were %d less than %v ago and %d less than %v ago", shown, before, greatest(hold), hold, greatest(hold-early), hold-early)
		case shown > before && shown != n:
			t.Fatalf("shown %d after %d, there are %d", shown, before, n)
		}
		most = max(most, len(f.maximum))
	}
	if bound := int(hold/grain) + 2; most > bound {
		t.Errorf("%d counts are remembered, more than %d", most, bound)
	}
}

func TestWhatIsDueIsNotForgotten(t *testing.T) {
	now := time.Now()
	f := face{zero: now}
	f.begin(now)
	at := func(d time.Duration) time.Time { return now.Add(d) }
	f.saw(at(0), count{3, true})
	steps := []struct {
		at   time.Duration
		want count
		next time.Duration
	}{
		{0, count{0, false}, settle},
		{settle, count{0, false}, every}, // it began less than a second ago
		{every, count{3, true}, 0},
	}
	for _, s := range steps {
		_, next := f.show(at(s.at))
		if f.shown != s.want || s.next == 0 && !next.IsZero() || s.next != 0 && !next.Equal(at(s.next)) {
			t.Errorf("at %v: shown %+v, next %v", s.at, f.shown, next.Sub(now))
		}
	}
}
