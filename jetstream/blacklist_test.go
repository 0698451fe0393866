package jetstream

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestARevokedSessionIsCutAndComesBackAfterItsTime(t *testing.T) {
	n := open(t, testConfig(t))
	b := n.Blacklist()
	var told []BlacklistEntry
	ch := make(chan BlacklistEntry, 10)
	b.OnEntry(func(e BlacklistEntry) { ch <- e })
	if err := b.Put(t.Context(), "urn:x/1", "", time.Second); err != nil {
		t.Fatal(err)
	}
	told = append(told, <-ch)
	if told[0].Session != "urn:x/1" || !told[0].Cuts("urn:x/1", "ann", time.Now()) || told[0].Cuts("urn:x/2", "ann", time.Now()) {
		t.Errorf("told %+v", told[0])
	}
	if !b.Revoked("urn:x/1", "ann", time.Now()) || b.Revoked("urn:x/2", "ann", time.Now()) {
		t.Error("the wrong session is cut")
	}
	if e, ok := b.Get("urn:x/1"); !ok || e.Problem != "" || time.Until(e.Expires) > 5*time.Second {
		t.Errorf("entry %+v, %v", e, ok)
	}
	waitFor(t, func() bool { return !b.Revoked("urn:x/1", "ann", time.Now()) })
	if err := b.Put(t.Context(), "forever", "", 0); err != nil {
		t.Fatal(err)
	}
	<-ch
	if err := b.Delete(t.Context(), "forever"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return !b.Revoked("forever", "", time.Time{}) })
}

func TestAUserEntryCutsWhatWasIssuedBefore(t *testing.T) {
	n := open(t, testConfig(t))
	b := n.Blacklist()
	limit := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := b.Put(t.Context(), "user.ann@x.org", limit.Format(time.RFC3339), 0); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return len(b.List("", 10)) == 1 })
	for name, c := range map[string]struct {
		user   string
		issued time.Time
		want   bool
	}{
		"before":  {"ann@x.org", limit.Add(-time.Second), true},
		"at":      {"ann@x.org", limit, true},
		"after":   {"ann@x.org", limit.Add(time.Second), false},
		"no iat":  {"ann@x.org", time.Time{}, true},
		"another": {"bob", time.Time{}, false},
	} {
		if got := b.Revoked("s", c.user, c.issued); got != c.want {
			t.Errorf("%s: revoked = %v", name, got)
		}
	}
}

func TestAKeyThatCanNeverMatchIsShownAsSuch(t *testing.T) {
	for key, bad := range map[string]bool{
		"abc": false, "user.ann": false, "a=2Eb": false,
		"a.b": true, "user.a.b": true, "a/b": true, "a=2eb": true, "user.": true,
	} {
		if e := newEntry(key, "x", time.Now(), time.Now().Add(time.Hour)); (e.Problem != "") != bad {
			t.Errorf("%s: problem %q", key, e.Problem)
		}
	}
}

func TestEverythingIsRevokedBeforeTheBlacklistIsLoaded(t *testing.T) {
	n := New(testConfig(t), logTo(t), prometheus.NewRegistry())
	if !n.Blacklist().Revoked("any", "ann", time.Now()) {
		t.Error("a token is good before the blacklist is loaded")
	}
	if n.Ready() == nil {
		t.Error("the node is ready before it is open")
	}
}
