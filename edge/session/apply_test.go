package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/edge/auth"
	"weft/edge/problem"
	"weft/jetstream/feed"
	"weft/jetstream/subject"
)

// granting are identities and what each allows to ask for.
type granting struct {
	allow map[*auth.Identity][]string
	away  bool // who is asked does not answer
	rekey error
}

func (g *granting) identity(subscribe, allow []string) *auth.Identity {
	id := &auth.Identity{User: "ann", Subscribe: subscribe}
	if g.allow == nil {
		g.allow = make(map[*auth.Identity][]string)
	}
	g.allow[id] = allow
	return id
}

func (g *granting) rules() Rules {
	return Rules{
		Rekey: func(s *Session, id *auth.Identity) error {
			if g.rekey != nil {
				return g.rekey
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.identity = id
			return nil
		},
		MayFollow: func(_ context.Context, id *auth.Identity, sub string) error {
			switch {
			case slices.Contains(id.Subscribe, sub):
				return nil
			case g.away:
				return problem.New(problem.NotReady, "away")
			case slices.ContainsFunc(g.allow[id], func(p string) bool { return subject.Match(p, sub) }):
				return nil
			}
			return problem.New(problem.Forbidden, "no")
		},
	}
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// However changes, tokens and failures follow each other, what is followed is what a
// small model says: the token's own and what was asked for and is allowed; a change that
// fails changes nothing but what its token no longer allows.
func TestChangesDoWhatAModelSays(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	all := []string{"topic.a", "topic.b", "topic.c", "topic.d", "user.ann", "topic.x.*", "topic.y.*"}
	types := [][]string{nil, {}, {"order.*"}, {"a", "b.*"}}
	some := func(n int) (out []string) {
		for _, i := range rng.Perm(len(all))[:rng.IntN(n+1)] {
			out = append(out, all[i])
		}
		return out
	}
	outcomes := map[string]int{}
	for round := range 300 {
		g := &granting{}
		id := g.identity(some(2), some(len(all)))
		s := newTestSession("ann", "t", time.Time{})
		s.identity = id
		s.reader.subjects = slices.Clone(id.Subscribe)
		asked, own := []string{}, map[string][]string{}
		for step := range 40 {
			where := fmt.Sprintf("round %d, step %d", round, step)
			followed := subject.Distinct(slices.Concat(id.Subscribe, asked))
			next, c := id, Change{Set: rng.IntN(4) == 0}
			if rng.IntN(3) == 0 {
				next = g.identity(some(2), some(len(all)))
				c.Identity = next
			}
			for _, sub := range some(3) {
				c.Subscribe = append(c.Subscribe, Subscription{sub, types[rng.IntN(len(types))]})
			}
			if !c.Set {
				c.Unsubscribe = some(2)
			}
			g.away, s.reader.fail, g.rekey = rng.IntN(20) == 0, nil, nil
			if rng.IntN(10) == 0 {
				s.reader.fail = errors.New("the store is away")
			}
			if rng.IntN(30) == 0 {
				g.rekey = problem.New(problem.TokenRevoked, "revoked")
			}
			s.out.own = nil

			// The model.
			may := func(sub string) bool { return g.rules().MayFollow(nil, next, sub) == nil }
			refused := slices.ContainsFunc(c.Unsubscribe, func(sub string) bool { return slices.Contains(next.Subscribe, sub) })
			var want []string
			if !c.Set {
				want = slices.DeleteFunc(slices.Clone(asked), func(sub string) bool { return slices.Contains(c.Unsubscribe, sub) })
			}
			var lost []string
			if c.Identity != nil {
				refused = refused || g.rekey != nil || g.away && slices.ContainsFunc(want, func(sub string) bool { return !slices.Contains(next.Subscribe, sub) })
				for _, sub := range slices.Clone(want) {
					if !may(sub) {
						lost = append(lost, sub)
						want = slices.DeleteFunc(want, func(o string) bool { return o == sub })
					}
				}
			}
			wantOwn := map[string][]string{}
			for sub, types := range own {
				if !c.Set {
					wantOwn[sub] = types
				}
			}
			for _, sub := range c.Subscribe {
				refused = refused || !may(sub.Subject)
				if !slices.Contains(want, sub.Subject) { // also what the token brings: the next may only allow it
					want = append(want, sub.Subject)
				}
				if delete(wantOwn, sub.Subject); sub.Types != nil {
					wantOwn[sub.Subject] = sub.Types
				}
			}
			wanted := subject.Distinct(slices.Concat(next.Subscribe, want))
			for _, sub := range id.Subscribe {
				if c.Identity != nil && !slices.Contains(wanted, sub) && !slices.Contains(lost, sub) {
					lost = append(lost, sub)
				}
			}
			lost = slices.DeleteFunc(lost, func(sub string) bool { return !slices.Contains(s.reader.subjects, sub) })
			more := slices.ContainsFunc(wanted, func(sub string) bool { return !slices.Contains(s.reader.subjects, sub) })

			had := sorted(s.reader.subjects)
			got, err := s.Apply(t.Context(), c, g.rules())
			is := sorted(s.Subjects())
			switch final := (*Final)(nil); {
			case refused:
				outcomes["refused"]++
				if err == nil || !slices.Equal(is, had) || len(s.out.own) > 0 {
					t.Fatalf("%s: %+v: a change that is refused: %v, %v, told %q", where, c, err, is, s.out.own)
				}
				if wants, _ := s.Wanted(); !slices.Equal(sorted(wants), sorted(followed)) {
					t.Fatalf("%s: a change that is refused makes %v of %v", where, wants, followed)
				}
				continue
			case len(wanted) == 0 && len(lost) > 0:
				outcomes["nothing left"]++
				if !errors.As(err, &final) || final.Cause != Unauthorised || len(is) > 0 {
					t.Fatalf("%s: %+v: nothing is left, and it says %v, follows %v", where, c, err, is)
				}
			case s.reader.fail != nil && more:
				outcomes["failed"]++
				if code(err) != problem.StoreUnavailable {
					t.Fatalf("%s: %+v: the store is away: %v", where, c, err)
				}
				asked = slices.DeleteFunc(asked, func(sub string) bool { return slices.Contains(lost, sub) })
				if c.Identity == nil && !slices.Equal(is, had) || slices.ContainsFunc(lost, func(sub string) bool { return slices.Contains(is, sub) }) {
					t.Fatalf("%s: %+v: follows %v although %v are lost", where, c, is, lost)
				}
				s.checkTold(t, where, lost)
				id = next
				continue
			default:
				outcomes["done"]++
				if err != nil || !slices.Equal(is, sorted(wanted)) || !slices.Equal(sorted(got), is) {
					t.Fatalf("%s: %+v of %v: %v, follows %v, says %v, want %v", where, c, followed, err, is, got, wanted)
				}
			}
			s.checkTold(t, where, lost)
			id, asked, own = next, want, wantOwn
			for sub := range own {
				if !slices.Contains(wanted, sub) {
					delete(own, sub)
				}
			}
			for _, sub := range wanted { // each subject alone wants what it was told to
				if subject.IsPattern(sub) || len(wanted) > 1 && slices.ContainsFunc(wanted, subject.IsPattern) {
					continue
				}
				for _, typ := range []string{"", "a", "b.c", "order.paid"} {
					f, _ := ParseFilter(own[sub])
					if got := s.filters.Load().wants(&feed.Message{Subject: sub, Type: typ}); got != f.Wants(typ) {
						t.Fatalf("%s: %s with types %q wants %q: %v", where, sub, own[sub], typ, got)
					}
				}
			}
			if errors.As(err, new(*Final)) {
				break
			}
		}
	}
	for _, what := range []string{"refused", "nothing left", "failed", "done"} {
		if outcomes[what] < 20 {
			t.Errorf("only %d changes were %s: too few to show anything", outcomes[what], what)
		}
	}
}

// checkTold holds what the client was told to what was lost.
func (s testSession) checkTold(t *testing.T, where string, lost []string) {
	t.Helper()
	if len(lost) == 0 {
		if len(s.out.own) > 0 {
			t.Fatalf("%s: told %q though nothing was lost", where, s.out.own)
		}
		return
	}
	if len(s.out.own) != 1 || !strings.HasPrefix(s.out.own[0], "weft.unsubscribed ") || !strings.HasSuffix(s.out.own[0], `"reason":"unauthorised"}`) {
		t.Fatalf("%s: told %q, lost %v", where, s.out.own, lost)
	}
	for _, sub := range lost {
		if !strings.Contains(s.out.own[0], `"`+sub+`"`) {
			t.Fatalf("%s: told %q, lost %v", where, s.out.own, lost)
		}
	}
}

func TestAWildcardOrItsSubjectMayWantAnEvent(t *testing.T) {
	order, _ := ParseFilter([]string{"order.*"})
	chat, _ := ParseFilter([]string{"chat"})
	f := makeFilters(chat, map[string]Filter{"topic.a": order, "topic.>": {}}, []string{"topic.a", "topic.b", "topic.>"})
	for _, c := range []struct {
		subject, typ string
		want         bool
	}{{"topic.a", "order.paid", true}, {"topic.a", "x", true}, {"topic.c", "", true}, {"user.ann", "chat", false}} {
		if got := f.wants(&feed.Message{Subject: c.subject, Type: c.typ}); got != c.want {
			t.Errorf("%s with type %q: %v", c.subject, c.typ, got)
		}
	}
	f = makeFilters(chat, map[string]Filter{"topic.a": order}, []string{"topic.a", "topic.*"})
	for typ, want := range map[string]bool{"order.paid": true, "chat": true, "x": false} {
		if got := f.wants(&feed.Message{Subject: "topic.a", Type: typ}); got != want {
			t.Errorf("either wants %q: %v", typ, got)
		}
	}
	if makeFilters(Filter{}, nil, []string{"topic.a"}) != nil || !(*filters)(nil).wants(&feed.Message{Type: "x"}) {
		t.Error("who has no filter has some")
	}
}

func TestTypesAreBounded(t *testing.T) {
	s := newTestSession("ann", "t", time.Time{})
	g := &granting{}
	s.identity = g.identity([]string{"user.ann"}, []string{"topic.>"})
	var many []string
	for i := range MaxTypes {
		many = append(many, fmt.Sprintf("t%d", i))
	}
	for i := range maxOwnTypes / MaxTypes {
		if _, err := s.Apply(t.Context(), Change{Subscribe: []Subscription{{fmt.Sprintf("topic.s%d", i), many}}}, g.rules()); err != nil {
			t.Fatal(err)
		}
	}
	for _, sub := range []Subscription{{"topic.more", []string{"x"}}, {"topic.s0", append(many, "x")}, {"topic.s0", []string{"*"}}} {
		if _, err := s.Apply(t.Context(), Change{Subscribe: []Subscription{sub}}, g.rules()); code(err) != problem.BadRequest {
			t.Errorf("%s with %d types: %v", sub.Subject, len(sub.Types), err)
		}
	}
	if _, err := s.Apply(t.Context(), Change{Subscribe: []Subscription{{"topic.s0", nil}, {"topic.more", []string{"x"}}}}, g.rules()); err != nil {
		t.Errorf("there is room again: %v", err)
	}
}

// While more joins, and until nothing can fail any more, what is followed keeps its types.
func TestAChangeThatFailsLeavesTheTypesAsTheyWere(t *testing.T) {
	s := newTestSession("ann", "t", time.Time{})
	g := &granting{}
	s.identity = g.identity([]string{"user.ann"}, []string{"topic.>"})
	if _, err := s.Apply(t.Context(), Change{Subscribe: []Subscription{{"topic.a", []string{"order.*"}}}}, g.rules()); err != nil {
		t.Fatal(err)
	}
	during := 0
	s.Attach(&asking{reader: s.reader, ask: func() {
		during++
		f := s.filters.Load()
		if !f.wants(&feed.Message{Subject: "topic.a", Type: "order.paid"}) || f.wants(&feed.Message{Subject: "topic.a", Type: "chat"}) {
			t.Error("types changed before the change was made")
		}
		if f.wants(&feed.Message{Subject: "topic.b", Type: "order.paid"}) || !f.wants(&feed.Message{Subject: "topic.b", Type: "chat"}) {
			t.Error("what joins has not the types that were said")
		}
	}}, nil)
	change := Change{Set: true, Subscribe: []Subscription{{"topic.a", []string{"chat"}}, {"topic.b", []string{"chat"}}}}
	s.reader.fail = errors.New("away")
	if _, err := s.Apply(t.Context(), change, g.rules()); code(err) != problem.StoreUnavailable {
		t.Fatal(err)
	}
	if f := s.filters.Load(); f.wants(&feed.Message{Subject: "topic.a", Type: "chat"}) {
		t.Error("the types of a change that failed are in force")
	}
	s.reader.fail = nil
	if _, err := s.Apply(t.Context(), change, g.rules()); err != nil || during != 2 {
		t.Fatal(err, during)
	}
	if f := s.filters.Load(); !f.wants(&feed.Message{Subject: "topic.a", Type: "chat"}) || f.wants(&feed.Message{Subject: "topic.a", Type: "order.paid"}) {
		t.Error("the types of the change are not in force")
	}
}

// asking is a reader that asks while subjects join.
type asking struct {
	*reader
	ask func()
}

func (a *asking) Exchange(ctx context.Context, s []string, id string, others []string) error {
	a.ask()
	return a.reader.Exchange(ctx, s, id, others)
}
