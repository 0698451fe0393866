package session

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weft/edge/auth"
	"weft/edge/problem"
)

// A token that is refreshed in its last moment is either refreshed, and then the
// connection lives, or too late, and then the client is told so.
func TestARefreshInTheLastMomentIsAnsweredTruly(t *testing.T) {
	now := time.Now()
	for range 2000 {
		k := newKept()
		s, _ := k.open()
		s.identity = &auth.Identity{User: "ann", Session: "t1", Expires: now, Subscribe: []string{"user.ann"}}
		s.Attach(&reader{subjects: []string{"user.ann"}}, nil)
		var err error
		var both sync.WaitGroup
		both.Go(func() {
			_, err = s.Apply(t.Context(), Change{Identity: &auth.Identity{User: "ann", Session: "t2", Expires: now.Add(time.Hour), Subscribe: []string{"user.ann"}}},
				Rules{Rekey: k.Rekey, MayFollow: ByToken})
		})
		both.Go(func() {
			k.wheel.mu.Lock()
			k.wheel.now = func() time.Time { return now.Add(time.Second) }
			k.wheel.at = k.wheel.number(now) - slots
			k.wheel.mu.Unlock()
			k.wheel.advance()
		})
		both.Wait()
		if ended := s.Ended(); ended != (err != nil) || ended && code(err) != problem.NotFound {
			t.Fatalf("answered %v, ended: %v", err, ended)
		}
		if !s.Ended() && !s.entry.in {
			t.Fatal("the wheel has forgotten a session that lives")
		}
		k.Close(s)
		if s.entry.in {
			t.Fatal("the wheel keeps a session that is closed")
		}
	}
}

// telling is an outbox that tells of the end.
type telling struct {
	*outbox
	ended func()
}

func (o *telling) End(c Cause, detail string) {
	o.outbox.End(c, detail)
	o.ended()
}

// Between the moment when the wheel has found a token to be over and the end, a new one
// comes; and while a new one is being judged the old one ends.
func TestEitherTheRefreshOrTheEndComesFirst(t *testing.T) {
	now := time.Now()
	k := newKept()
	over := func(o Outbox) *Session {
		s, err := k.Open(Config{About: About{ID: NewID()}, Identity: &auth.Identity{User: "ann", Session: "t1", Expires: now, Subscribe: []string{"topic.a"}}, Outbox: o, Delivered: func() {}})
		if err != nil {
			t.Fatal(err)
		}
		s.Attach(&reader{subjects: []string{"topic.a"}}, nil)
		return s
	}
	k.wheel.now = func() time.Time { return now.Add(time.Second) }
	fresh := Change{Identity: &auth.Identity{User: "ann", Session: "t2", Expires: now.Add(time.Hour), Subscribe: []string{"topic.a", "topic.b"}}, Subscribe: []Subscription{{Subject: "topic.c"}}}
	refreshed := over(&outbox{})
	over(&telling{&outbox{}, func() { // it is the first that the wheel comes to
		rules := Rules{Rekey: k.Rekey, MayFollow: func(context.Context, *auth.Identity, string) error { return nil }}
		if _, err := refreshed.Apply(t.Context(), fresh, rules); err != nil {
			t.Error(err)
		}
	}})
	k.wheel.advance()
	if refreshed.Ended() || !refreshed.entry.in {
		t.Errorf("a session that was refreshed in time has ended: %v, is told the time: %v", refreshed.Cause(), refreshed.entry.in)
	}
	late := over(&outbox{})
	_, err := late.Apply(t.Context(), fresh, Rules{Rekey: k.Rekey, MayFollow: func(context.Context, *auth.Identity, string) error {
		k.wheel.mu.Lock()
		k.wheel.at -= slots
		k.wheel.mu.Unlock()
		k.wheel.advance()
		return nil
	}})
	if code(err) != problem.NotFound || late.Cause() != Expired || late.Identity().Session != "t1" {
		t.Errorf("a refresh that is late is answered %v, the session ended by %v", err, late.Cause())
	}
	for _, s := range k.Registry().All() {
		k.Close(s)
	}
}

func TestTheEndOfATokenIsToldOnceAndAgainAfterARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWheel(15*time.Second, time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		go w.Run(ctx)
		defer synctest.Wait()
		defer cancel()
		start := time.Now()
		long, brief, forever := newTestSession("ann", "a", start.Add(5*time.Minute)), newTestSession("bob", "b", start.Add(20*time.Second)), newTestSession("carl", "c", time.Time{})
		unopened := newTestSession("dora", "d", start.Add(40*time.Second))
		unopened.Session.reader = nil
		for _, s := range []testSession{long, brief, forever, unopened} {
			w.Add(s.Session)
		}
		told := func(s testSession) string {
			synctest.Wait()
			s.out.mu.Lock()
			defer s.out.mu.Unlock()
			all := strings.Join(s.out.own, "\n")
			s.out.own = nil
			return all
		}
		time.Sleep(time.Second)
		if got := told(brief); got != `weft.expiring {"in":20}` {
			t.Errorf("a token that is short is told of by %q", got)
		}
		if got := told(unopened); got != "" {
			t.Errorf("before weft.open: %q", got)
		}
		unopened.Attach(&reader{}, nil)
		time.Sleep(time.Second)
		if got := told(unopened); got != `weft.expiring {"in":38}` && got != `weft.expiring {"in":39}` {
			t.Errorf("after weft.open: %q", got)
		}
		time.Sleep(237 * time.Second)
		if got := told(long); got != "" {
			t.Errorf("too early: %q", got)
		}
		time.Sleep(2 * time.Second)
		if got := told(long); got != `weft.expiring {"in":60}` {
			t.Errorf("a minute before: %q", got)
		}
		long.mu.Lock()
		long.identity = &auth.Identity{User: "ann", Session: "a2", Expires: start.Add(10 * time.Minute)}
		long.mu.Unlock()
		w.Moved(long.Session)
		time.Sleep(4 * time.Minute)
		if got := told(long); got != "" || long.Ended() {
			t.Errorf("a refreshed token is told of too early: %q, ended: %v", got, long.Ended())
		}
		time.Sleep(2 * time.Minute)
		if got := told(long); got != `weft.expiring {"in":60}` {
			t.Errorf("a refreshed token is told of by %q", got)
		}
		hasty := newTestSession("hal", "h", time.Now().Add(time.Hour))
		w.Add(hasty.Session)
		hasty.mu.Lock()
		hasty.identity = &auth.Identity{User: "hal", Session: "h2", Expires: time.Now().Add(20 * time.Second)}
		hasty.mu.Unlock()
		w.Moved(hasty.Session)
		time.Sleep(9 * time.Second)
		if got := told(hasty); got != "" {
			t.Errorf("of a short token that follows another one is told at once, by %q", got)
		}
		time.Sleep(2 * time.Second)
		if got := told(hasty); got != `weft.expiring {"in":10}` {
			t.Errorf("of a short token that follows another one is told by %q", got)
		}
		if got := told(forever) + told(brief); got != "" || forever.reader.beats.Load() < 20 {
			t.Errorf("others heard %q, %d keep-alives", got, forever.reader.beats.Load())
		}
		off := NewWheel(15*time.Second, 0)
		quiet := newTestSession("eve", "e", time.Now().Add(20*time.Second))
		off.Add(quiet.Session)
		for range 100 {
			time.Sleep(250 * time.Millisecond)
			off.advance()
		}
		if got := told(quiet); got != "" || !quiet.Ended() {
			t.Errorf("who is not to be warned hears %q, ended: %v", got, quiet.Ended())
		}
	})
}
