package jetstream

import (
	"errors"
	"strings"
	"testing"
	"time"
	"weft/config/testkit/testlog"
	"weft/config/testkit/waitfor"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/api"
	"weft/jetstream/blacklist"
)

func TestARevokedSessionIsCutAndComesBackAfterItsTime(t *testing.T) {
	n := open(t, testConfig(t))
	b := n.Blacklist()
	var told []blacklist.Entry
	ch := make(chan blacklist.Entry, 10)
	b.OnEntry(func(e blacklist.Entry) { ch <- e })
	if err := b.Put(t.Context(), "urn:x/1", "", 4*time.Second); err != nil {
		t.Fatal(err)
	}
	told = append(told, <-ch)
	if told[0].Session != "urn:x/1" || !told[0].Cuts("urn:x/1", "ann", time.Now()) || told[0].Cuts("urn:x/2", "ann", time.Now()) {
		t.Errorf("told %+v", told[0])
	}
	if !b.Revoked("urn:x/1", "ann", time.Now()) || b.Revoked("urn:x/2", "ann", time.Now()) {
		t.Error("the wrong session is cut")
	}
	if e, ok := b.Find("urn:x/1"); !ok || e.Problem != "" || time.Until(e.Expires) > 5*time.Second {
		t.Errorf("entry %+v, %v", e, ok)
	}
	waitfor.True(t, func() bool { return !b.Revoked("urn:x/1", "ann", time.Now()) })
	if err := b.Put(t.Context(), "forever", "", 0); err != nil {
		t.Fatal(err)
	}
	<-ch
	if err := b.Delete(t.Context(), "forever"); err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool { return !b.Revoked("forever", "", time.Time{}) })
}

func TestAUserEntryCutsWhatWasIssuedBefore(t *testing.T) {
	n := open(t, testConfig(t))
	b := n.Blacklist()
	limit := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := b.Put(t.Context(), "user.ann@x.org", limit.Format(time.RFC3339), 0); err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool { return len(b.List("", 10)) == 1 })
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

func TestEverythingIsRevokedBeforeTheBlacklistIsLoaded(t *testing.T) {
	n := New(testConfig(t), testlog.To(t), prometheus.NewRegistry())
	if !n.Blacklist().Revoked("any", "ann", time.Now()) {
		t.Error("a token is good before the blacklist is loaded")
	}
	if n.Ready() == nil {
		t.Error("the node is ready before it is open")
	}
}

// A node that is cut off refuses what it knows to be revoked, is not ready, and
// says how old its knowledge is.
func TestACutOffNodeSaysHowOldItsBlacklistIs(t *testing.T) {
	t.Parallel()
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	b := nodes[0].Blacklist()
	if err := nodes[1].Blacklist().Put(t.Context(), "s1", "", 0); err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool { return b.Revoked("s1", "", time.Time{}) })
	waitfor.True(t, func() bool { age, ok := b.Staleness(); return ok && age < 2*time.Second })
	nodes[1].Close()
	nodes[2].Close()
	waitfor.True(t, func() bool {
		err := nodes[0].Ready()
		return errors.Is(err, api.ErrIsolated) && strings.Contains(err.Error(), "the blacklist is as of")
	})
	if !b.Revoked("s1", "", time.Time{}) || b.Revoked("s2", "", time.Time{}) {
		t.Error("the blacklist is not as it was")
	}
}
