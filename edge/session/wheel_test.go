package session

import (
	"math/rand/v2"
	"testing"
	"time"
)

// However sessions come, go and get other tokens, in whatever order, each that is
// there has one keep-alive per period, never earlier, and ends with its token.
func TestAWheelMissesNobody(t *testing.T) {
	const every = 15 * time.Second
	rng := rand.New(rand.NewPCG(1, 2))
	now := time.Unix(1_000_000, 0)
	w := NewWheel(every, 0)
	w.now = func() time.Time { return now }
	w.at = w.number(now)
	type member struct {
		testSession
		last    time.Time // when it came, or had its last keep-alive
		beats   int
		expires time.Time
	}
	members := map[*member]bool{}
	for step := range 4000 {
		pause := time.Duration(rng.Int64N(int64(400 * time.Millisecond)))
		if step%1000 == 999 {
			pause = 100 * time.Second // the process was stopped: more than a turn of the wheel
		}
		now = now.Add(pause)
		for range rng.IntN(4) {
			m := &member{last: now}
			if rng.IntN(3) == 0 {
				m.expires = now.Add(time.Duration(rng.Int64N(int64(time.Minute))))
			}
			m.testSession = newTestSession("ann", "t", m.expires)
			w.Add(m.Session)
			members[m] = true
		}
		for m := range members { // some, in no order
			if rng.IntN(200) == 0 {
				w.Remove(m.Session)
				w.Remove(m.Session)
				delete(members, m)
			}
		}
		w.advance()
		for m := range members {
			ended := m.Ended()
			late := 2*w.tick + pause
			if should := !m.expires.IsZero() && !now.Before(m.expires); ended != should && (ended || now.Sub(m.expires) > late) {
				t.Fatalf("step %d: a token that ends in %v has ended the session: %v", step, m.expires.Sub(now), ended)
			}
			if ended {
				delete(members, m)
				continue
			}
			since := now.Sub(m.last)
			switch beats := m.reader.beats.Load(); {
			case int(beats) == m.beats:
				if since > every+late {
					t.Fatalf("step %d: no keep-alive for %v", step, since)
				}
			case since < every:
				t.Fatalf("step %d: a keep-alive after %v", step, since)
			default:
				m.beats, m.last = int(beats), now
			}
		}
	}
	if len(members) < 100 {
		t.Errorf("only %d sessions are left: too few to show anything", len(members))
	}
}
