package replica

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weft/jetstream/event"
)

// A stream is a copy in memory. What is removed is "".
type stream struct {
	mu      sync.Mutex
	first   uint64
	log     []string // subjects by sequence, from 1
	broken  atomic.Bool
	visited atomic.Int64 // messages that Next was asked for
}

func (s *stream) Bounds() (first, last uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first, uint64(len(s.log))
}

func (s *stream) Next(subject string, from uint64) (uint64, string, bool) {
	s.visited.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := max(from, 1); i <= uint64(len(s.log)); i++ {
		if of := s.log[i-1]; of != "" && (subject == "" || of == subject) {
			return i, of, !s.broken.Load()
		}
	}
	return 0, "", !s.broken.Load()
}

func (s *stream) Load(seq uint64) (event.Stored, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seq == 0 || seq > uint64(len(s.log)) || s.log[seq-1] == "" || s.broken.Load() {
		return event.Stored{}, false
	}
	return event.Stored{Subject: s.log[seq-1], Seq: seq, Data: []byte("12345678"), Unreadable: seq%97 == 0}, true
}

func (s *stream) add(subjects ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, subjects...)
}

// remove takes the first n of the stream, or of a subject.
func (s *stream) remove(n int, subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := s.first; i <= uint64(len(s.log)) && n > 0; i++ {
		if of := s.log[i-1]; of != "" && (subject == "" || of == subject) {
			s.log[i-1] = ""
			n--
		}
	}
	for s.first <= uint64(len(s.log)) && s.log[s.first-1] == "" {
		s.first++
	}
}

// oldest is the subject of the first message.
func (s *stream) oldest() string { return s.log[s.first-1] }

func user(i int) string { return fmt.Sprint("user.u", i) }

func indexOf(s *stream) *Index { return New(func() (Copy, bool) { return s, true }) }

// Whatever is read by an index and whatever by the copy itself, it is what is stored, all of
// it and in order, or nothing is said.
func TestAnIndexSaysWhatIsStoredOrNothing(t *testing.T) {
	for name, change := range map[string]func(x *Index){
		"all by an index":                 func(x *Index) { x.worth = 0 },
		"nothing by an index":             func(x *Index) { x.worth = time.Hour },
		"some":                            func(x *Index) { x.worth = 2 * time.Microsecond },
		"subjects that look like another": func(x *Index) { x.worth, x.hash = 0, func(s string) uint32 { return uint32(len(s)) } },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const limit = 40
			rnd := rand.New(rand.NewPCG(1, uint64(len(name))))
			s := &stream{first: 1}
			x := indexOf(s)
			defer x.Close()
			change(x)
			all, stored, said := map[string][]uint64{}, map[string]int{}, 0
			for range 400 {
				for range rnd.IntN(300) {
					u := user(rnd.IntN(40))
					s.add(u)
					all[u] = append(all[u], uint64(len(s.log)))
					if stored[u]++; stored[u] > limit {
						s.remove(1, u)
						stored[u]--
					}
				}
				if rnd.IntN(10) == 0 {
					for range rnd.IntN(600) {
						stored[s.oldest()]--
						s.remove(1, "")
					}
				}
				u := user(rnd.IntN(42))
				after := rnd.Uint64N(uint64(len(s.log) + 1))
				if list := all[u]; rnd.IntN(2) == 0 && len(list) > 0 { // near the end, as most are
					after = list[max(0, len(list)-1-rnd.IntN(30))] - rnd.Uint64N(2)
				}
				found, more, ok := x.After(t.Context(), u, after, uint64(len(s.log)), 25, 1<<20, limit)
				if !ok {
					continue
				}
				said++
				i, _ := slices.BinarySearch(all[u], after+1)
				want := all[u][i:]
				if !more && len(want) != len(found) || more && (len(found) != 25 || len(want) < 25) { // there may be no more, only what looks alike
					t.Fatalf("%d of %s after %d, more: %v; want %d", len(found), u, after, more, len(want))
				}
				for i, m := range found {
					if m.Seq != want[i] || m.Unreadable != (m.Subject == "") || !m.Unreadable && m.Subject != u {
						t.Fatalf("%+v; want %s %d", m, u, want[i])
					}
				}
			}
			if said < 100 {
				t.Errorf("it knew only %d times", said)
			}
		})
	}
}

// Who has to come to a sequence and has not says nothing.
func TestACopyThatLagsSaysNothing(t *testing.T) {
	s := &stream{first: 1}
	s.add(user(1), user(2))
	x := indexOf(s)
	defer x.Close()
	if _, _, ok := x.After(t.Context(), user(1), 0, 3, 10, 100, 100); ok {
		t.Error("it speaks of what it has not come to")
	}
	if found, _, ok := x.After(t.Context(), user(1), 0, 2, 10, 100, 100); !ok || len(found) != 1 {
		t.Errorf("%v, %v", found, ok)
	}
}

// What cannot be read counts as not known, never as not there.
func TestACopyThatCannotBeReadSaysNothing(t *testing.T) {
	for _, worth := range []time.Duration{0, time.Hour} {
		s := &stream{first: 1}
		s.add(user(1), user(2))
		x := indexOf(s)
		x.worth = worth
		s.broken.Store(true)
		for _, u := range []string{user(1), user(3)} {
			if _, _, ok := x.After(t.Context(), u, 0, 2, 10, 100, 100); ok {
				t.Error("it has an answer")
			}
		}
		s.broken.Store(false)
		if found, _, ok := x.After(t.Context(), user(1), 0, 2, 10, 100, 100); !ok || len(found) != 1 {
			t.Errorf("%v, %v", found, ok)
		}
		x.Close()
	}
}

// A stream that was made anew has nothing to do with what was known of the one before.
func TestNothingIsKeptOfACopyThatWasReplaced(t *testing.T) {
	old, anew := &stream{first: 1}, &stream{first: 1}
	now := old
	x := New(func() (Copy, bool) { return now, now != nil })
	defer x.Close()
	x.worth = 0
	old.add(user(1), user(1), user(2))
	anew.add(user(2), user(2), user(1))
	for _, c := range []struct {
		s *stream
		n int
	}{{old, 2}, {anew, 1}} {
		now = c.s
		if found, _, ok := x.After(t.Context(), user(1), 0, 3, 10, 100, 100); !ok || len(found) != c.n {
			t.Errorf("%d, %v; want %d", len(found), ok, c.n)
		}
	}
	if now = nil; true {
		if _, _, ok := x.After(t.Context(), user(1), 0, 0, 10, 100, 100); ok {
			t.Error("there is no copy")
		}
	}
}

// A disk that hangs does not hold up who comes back, nor those who come after them.
func TestACopyThatStandsStillIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stream{first: 1}
		s.add(user(1))
		x := indexOf(s)
		defer x.Close()
		hangs, began := make(chan struct{}), time.Now()
		x.open = func() (Copy, bool) { <-hangs; return s, true }
		asked := func(took time.Duration) {
			t.Helper()
			if _, _, ok := x.After(t.Context(), user(1), 0, 1, 10, 100, 100); ok || time.Since(began) != took {
				t.Errorf("ok: %v, after %v", ok, time.Since(began))
			}
		}
		asked(patience)
		asked(patience) // at once
		if _, ok := x.Last(t.Context()); ok {
			t.Error("it says how far it is")
		}
		close(hangs)
		synctest.Wait()
		if found, _, ok := x.After(t.Context(), user(1), 0, 1, 10, 100, 100); !ok || len(found) != 1 {
			t.Errorf("%d, %v when it goes on", len(found), ok)
		}
	})
}

// All who come back to the same part of the stream have it read once.
func TestAPartOfTheStreamIsReadOnceForAll(t *testing.T) {
	const users, each = 1000, 20
	s := &stream{first: 1}
	for range each {
		for u := range users {
			s.add(user(u))
		}
	}
	x := indexOf(s)
	defer x.Close()
	x.worth = 0
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for u := w; u < users; u += 8 {
				if found, _, ok := x.After(t.Context(), user(u), uint64(users*10), users*each, 100, 1<<20, 1000); !ok || len(found) != 10 {
					t.Errorf("%s: %d, %v", user(u), len(found), ok)
				}
			}
		})
	}
	all.Wait()
	if n := s.visited.Load(); n > 2*users*each {
		t.Errorf("%d questions for %d messages", n, users*each)
	}
}

// What nobody asks for is let go, and all that is known is bounded.
func TestAnIndexIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stream{first: 1, log: make([]string, (maxSegments+50)*span)}
		s.log[len(s.log)-1] = user(1)
		x := indexOf(s)
		defer x.Close()
		for seq := uint64(1); seq < uint64(len(s.log)); seq += span {
			x.segment(s, seq)
			time.Sleep(time.Millisecond)
		}
		x.mu.Lock()
		if n := len(x.segments); n != maxSegments {
			t.Errorf("%d segments, want %d", n, maxSegments)
		}
		if x.segments[0] != nil || x.segments[maxSegments+49] == nil {
			t.Error("not the one that was asked longest ago is let go")
		}
		x.mu.Unlock()
		time.Sleep(2*forget + time.Second)
		x.mu.Lock()
		defer x.mu.Unlock()
		if n := len(x.segments); n != 0 || x.sweep != nil {
			t.Errorf("%d segments are left", n)
		}
	})
}

// A busyStream is added to between any two questions.
type busyStream struct {
	stream
	meanwhile func()
}

func (s *busyStream) Bounds() (first, last uint64) {
	defer s.meanwhile()
	return s.stream.Bounds()
}

func (s *busyStream) Next(subject string, from uint64) (uint64, string, bool) {
	defer s.meanwhile()
	return s.stream.Next(subject, from)
}

func (s *busyStream) Load(seq uint64) (event.Stored, bool) {
	defer s.meanwhile()
	return s.stream.Load(seq)
}

// Publishers may be quicker than who reads: what the limits remove meanwhile is not passed over
// in silence.
func TestWhatIsRemovedMeanwhileIsNotPassedOver(t *testing.T) {
	for name, worth := range map[string]time.Duration{"by an index": 0, "by the copy itself": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const limit = 4
			said := 0
			for seed := range uint64(20000) {
				rnd := rand.New(rand.NewPCG(seed, 0))
				s := &busyStream{stream: stream{first: 1}, meanwhile: func() {}}
				var all []uint64
				stored := 0
				publish := func(n int) {
					for range n {
						s.add(user(rnd.IntN(2)))
						if s.log[len(s.log)-1] == user(1) {
							all = append(all, uint64(len(s.log)))
							if stored++; stored > limit {
								s.remove(1, user(1))
								stored--
							}
						}
					}
				}
				s.add(user(0)) // by which it is seen that neither age nor bytes have removed anything
				publish(rnd.IntN(12))
				after := rnd.Uint64N(uint64(len(s.log) + 1))
				until := uint64(len(s.log))
				s.meanwhile = func() {
					if rnd.IntN(3) == 0 {
						publish(rnd.IntN(8))
					}
				}
				x := New(func() (Copy, bool) { return s, true })
				x.worth = worth
				found, more, ok := x.After(t.Context(), user(1), after, until, 1+rnd.IntN(6), 1<<20, limit)
				x.Close()
				if !ok {
					continue
				}
				said++
				i, _ := slices.BinarySearch(all, after+1)
				want := all[i:]
				if len(found) > len(want) || !more && len(found) < len(want) && want[len(found)] <= until {
					t.Fatalf("seed %d: %d after %d and up to %d, of %v", seed, len(found), after, until, want)
				}
				for i, m := range found {
					if m.Seq != want[i] {
						t.Fatalf("seed %d: %d after %d comes as number %d, of %v", seed, m.Seq, after, i, want)
					}
				}
			}
			if said < 5000 {
				t.Errorf("it knew only %d times", said)
			}
		})
	}
}
