package session

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weft/edge/auth"
	"weft/edge/problem"
	"weft/jetstream/blacklist"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type testSession struct {
	*Session
	out    *outbox
	reader *reader
}

func newTestSession(user, token string, expires time.Time) testSession {
	o, r := &outbox{}, &reader{subjects: []string{"user." + user}}
	s := New(Config{
		About:    About{ID: NewID(), Since: time.Now()},
		Identity: &auth.Identity{User: user, Session: token, Expires: expires, Subscribe: []string{"user." + user}},
		Outbox:   o, Delivered: func() {},
	})
	s.Attach(r, nil)
	return testSession{s, o, r}
}

func TestARegistryFindsSessionsByAllTheirNames(t *testing.T) {
	r := NewRegistry()
	a1, a2, b := newTestSession("ann", "t1", time.Time{}), newTestSession("ann", "t1", time.Time{}), newTestSession("bob", "t2", time.Time{})
	nobody := newTestSession("", "", time.Time{})
	for _, s := range []testSession{a1, a2, b, nobody} {
		r.Add(s.Session)
	}
	if r.Len() != 4 || len(r.All()) != 4 || r.Get(b.About().ID) != b.Session || r.Get("x") != nil {
		t.Error("not all are found by id")
	}
	if got := r.Users("", "", 10); !slices.Equal(got, []string{"ann", "bob"}) {
		t.Errorf("users %v", got)
	}
	if got := r.Users("", "ann", 1); !slices.Equal(got, []string{"bob"}) {
		t.Errorf("users after ann %v", got)
	}
	r.Rekey(a1.Session, &auth.Identity{User: "ann", Session: "t3"})
	r.Cut(blacklist.Entry{Session: "t1"})
	if a1.Cause() == Revoked || a2.Cause() != Revoked || b.Cause() == Revoked {
		t.Error("an entry for one token does not cut exactly its sessions")
	}
	r.Cut(blacklist.Entry{Session: "t3"})
	if a1.Cause() != Revoked {
		t.Error("a session is not found by its refreshed token")
	}
	for _, s := range []testSession{a2, a1, a1, b, nobody} {
		r.Remove(s.Session)
	}
	if r.Len() != 0 || len(r.index[byToken]) != 0 || len(r.index[byUser]) != 0 {
		t.Error("something is left")
	}
}

func TestAnEntryForAUserCutsWhatWasIssuedBefore(t *testing.T) {
	r, now := NewRegistry(), time.Now()
	old, fresh := newTestSession("ann", "t1", time.Time{}), newTestSession("ann", "t2", time.Time{})
	fresh.identity = &auth.Identity{User: "ann", Session: "t2", Issued: now.Add(time.Second)}
	r.Add(old.Session)
	r.Add(fresh.Session)
	r.Cut(blacklist.Entry{User: "ann", Before: now})
	if old.Cause() != Revoked || fresh.Cause() == Revoked {
		t.Error("cut is not what was issued before, and only that")
	}
}

// What stands in the bucket may have been put by anybody who may write there, by any
// means; what no transport can say is not said.
func TestClientsAreToldTheReasonOfAnEntryIfItCanBeSaid(t *testing.T) {
	for said, told := range map[string]string{
		"": "", "this phone was lost": "this phone was lost", strings.Repeat("x", MaxDetail): strings.Repeat("x", MaxDetail),
		strings.Repeat("x", MaxDetail+1): "", "a\nb": "", "a\u009bb": "", "\xff": "",
	} {
		r, s, user := NewRegistry(), newTestSession("ann", "t1", time.Time{}), newTestSession("bob", "t2", time.Time{})
		r.Add(s.Session)
		r.Add(user.Session)
		r.Cut(blacklist.Entry{Session: "t1", Reason: said})
		r.Cut(blacklist.Entry{User: "bob", Before: time.Now(), Reason: said})
		if !slices.Equal(s.out.said, []string{told}) || !slices.Equal(user.out.said, []string{told}) || s.Cause() != Revoked || user.Cause() != Revoked {
			t.Errorf("of %q is told %q and %q", said, s.out.said, user.out.said)
		}
	}
}

func TestOnlyTheFirstCauseCounts(t *testing.T) {
	s := newTestSession("ann", "t", time.Time{})
	if !s.End(Draining) || s.End(Revoked) || s.Cause() != Draining || len(s.out.ends) != 1 {
		t.Errorf("ended with %v, told %v", s.Cause(), s.out.ends)
	}
	told := 0
	defer s.AtEnd(func() { told++ })()
	if told != 1 {
		t.Error("who asks when it has ended is not told")
	}
}

func code(err error) problem.Code {
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		return p.Code
	}
	return ""
}

func TestAChangeIsAllOrNothing(t *testing.T) {
	s := newTestSession("ann", "t", time.Time{})
	rekeyed := 0
	rules := Rules{Rekey: func(*Session, *auth.Identity) error { rekeyed++; return nil }, MayFollow: ByToken}
	if _, err := s.Apply(t.Context(), Change{Unsubscribe: []string{"user.ann"}, Subscribe: []Subscription{{Subject: "user.ann"}}}, rules); code(err) != problem.BadSubject {
		t.Errorf("leaving an automatic subject: %v", err)
	}
	if _, err := s.Apply(t.Context(), Change{Identity: &auth.Identity{User: "bob"}}, rules); code(err) != problem.UserMismatch || rekeyed != 0 {
		t.Errorf("a token of another user: %v", err)
	}
	more := &auth.Identity{User: "ann", Session: "t2", Subscribe: []string{"topic.a", "topic.b"}}
	s.reader.fail = errors.New("inner")
	if _, err := s.Apply(t.Context(), Change{Identity: more}, rules); code(err) != problem.StoreUnavailable || strings.Contains(err.Error(), "inner") {
		t.Errorf("the store is away: %v", err)
	}
	s.reader.fail = nil
	got, err := s.Apply(t.Context(), Change{Identity: more}, rules)
	if err != nil || !slices.Equal(got, []string{"topic.a", "topic.b"}) || rekeyed != 2 {
		t.Errorf("a token that brings other subjects: %v, %v", got, err)
	}
	s.Detach()
	s.Detach()
	if _, err := s.Apply(t.Context(), Change{Identity: more}, rules); code(err) != problem.NotFound {
		t.Errorf("after the end: %v", err)
	}
}
