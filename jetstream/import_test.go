package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/config/testkit/waitfor"
	"weft/jetstream/kv"
)

func exported(t testing.TB, n *Node) map[string]kv.Entry {
	t.Helper()
	all := map[string]kv.Entry{}
	if err := n.Transfer().Export(t.Context(), func(e kv.Entry) error { all[e.Bucket+"/"+e.Key] = e; return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func entriesOf(all map[string]kv.Entry) []kv.Entry {
	var list []kv.Entry
	for _, e := range all {
		list = append(list, e)
	}
	return list
}

func doImport(t testing.TB, n *Node, entries ...kv.Entry) kv.Imported {
	t.Helper()
	done, err := n.Transfer().Import(t.Context(), entries)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestEntriesSurviveTheWayFromOneNodeToThree(t *testing.T) {
	t.Parallel()
	old := open(t, testConfig(t))
	b := old.Blacklist()
	for name, ttl := range map[string]time.Duration{"s1": 0, "device 1": 2 * time.Hour, "user.ann@x.org": time.Hour} {
		if err := b.Put(t.Context(), name, "", ttl); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Put(t.Context(), "user.bob", "2026-01-02T03:04:05Z", 0); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "gone", "", 0); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	// By other hands, with a key that is not escaped.
	if err := old.control.Conn.Publish("$KV.blacklist."+"a@b", nil); err != nil {
		t.Fatal(err)
	}
	doImport(t, old, kv.Entry{Bucket: "routes", Key: "orders", Value: routeDocument("GET /a")})
	waitfor.True(t, func() bool { _, ok := b.Get("a@b"); return ok })
	before := exported(t, old)
	if len(before) != 6 {
		t.Fatalf("exported %d: %v", len(before), before)
	}

	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	if done := doImport(t, nodes[0], entriesOf(before)...); done != (kv.Imported{Stored: 6}) {
		t.Errorf("%+v", done)
	}
	if done := doImport(t, nodes[0], entriesOf(before)...); done != (kv.Imported{Unchanged: 6}) {
		t.Errorf("the second time: %+v", done)
	}
	after := exported(t, nodes[1])
	if len(after) != len(before) {
		t.Errorf("%d entries, want %d: %v", len(after), len(before), after)
	}
	for key, want := range before {
		have := after[key]
		if string(have.Value) != string(want.Value) || have.Bucket == "blacklist" && (!have.Made.Equal(want.Made) ||
			have.Expires.Sub(want.Expires).Abs() > 2*time.Second) {
			t.Errorf("%s is\n%+v, was\n%+v", key, have, want)
		}
	}
	made := before["blacklist/user.ann=40x=2Eorg"].Made
	for _, n := range nodes {
		waitfor.True(t, func() bool { return n.Blacklist().Revoked("", "ann@x.org", made) })
		if n.Blacklist().Revoked("", "ann@x.org", made.Add(time.Millisecond)) {
			t.Errorf("%s cuts tokens that were issued after the entry was made", n.Name())
		}
	}
	for _, g := range nodes[0].Cluster().Groups(t.Context()) {
		if len(g.Replicas) != 3 {
			t.Errorf("%s has %d replicas", g.Name, len(g.Replicas))
		}
	}
}

func TestAnImportNeverWeakensTheBlacklist(t *testing.T) {
	n := open(t, testConfig(t))
	now := time.Now()
	entry := func(key string, made, expires time.Duration) kv.Entry {
		return kv.Entry{Bucket: "blacklist", Key: key, Value: []byte("revoked"), Made: now.Add(made), Expires: now.Add(expires)}
	}
	doImport(t, n, entry("user.ann", -time.Hour, time.Hour), entry("s1", -time.Hour, time.Hour))
	for _, c := range []struct {
		name          string
		entry         kv.Entry
		want          kv.Imported
		made, expires time.Duration
	}{
		{"an older one", entry("user.ann", -2*time.Hour, time.Hour), kv.Imported{Unchanged: 1}, -time.Hour, time.Hour},
		{"a shorter one", entry("user.ann", -time.Hour, time.Minute), kv.Imported{Unchanged: 1}, -time.Hour, time.Hour},
		{"an older one that lives longer", entry("user.ann", -2*time.Hour, 2*time.Hour), kv.Imported{Stored: 1}, -time.Hour, 2 * time.Hour},
		{"a later one that lives shorter", entry("user.ann", -time.Minute, time.Hour), kv.Imported{Stored: 1}, -time.Minute, 2 * time.Hour},
		{"one that has expired", entry("user.ann", 0, -time.Second), kv.Imported{Expired: 1}, -time.Minute, 2 * time.Hour},
		{"a session that lives shorter", entry("s1", 0, time.Minute), kv.Imported{Unchanged: 1}, 0, 0},
	} {
		if done := doImport(t, n, c.entry); done != c.want {
			t.Errorf("%s: %+v", c.name, done)
		}
		e, ok := n.Blacklist().Get("user.ann")
		if !ok || c.made != 0 && (!e.Before.Equal(now.Add(c.made).Truncate(0)) || e.Expires.Sub(now.Add(c.expires)).Abs() > 2*time.Second) {
			t.Errorf("after %s: %+v", c.name, e)
		}
	}
	both := []kv.Entry{entry("user.eve", -time.Minute, time.Hour), entry("user.eve", -time.Hour, time.Hour)}
	for range 2 { // whichever comes first
		doImport(t, n, both...)
		if e, _ := n.Blacklist().Get("user.eve"); !e.Before.Equal(now.Add(-time.Minute)) {
			t.Errorf("of two the later counts: %+v", e)
		}
		slices.Reverse(both)
	}
}

// An export is what serves, in an order in which it can be put again; a pattern that one
// route gives up may be taken by the next one in the same import.
func TestRoutesAreCarriedAsTheyServe(t *testing.T) {
	from, to := open(t, testConfig(t)), open(t, testConfig(t))
	putRoute(t, from, "a", "/1")
	rawPut(t, from, "a", []byte("{"))
	rawPut(t, from, "never", []byte("{"))
	revision := rawPut(t, from, "b", routeDocument("/1"))
	waitfor.True(t, func() bool { return from.Routes().Table().Revision >= revision })
	all := exported(t, from)
	if len(all) != 1 || string(all["routes/a"].Value) != string(routeDocument("/1")) {
		t.Errorf("exported %v", all)
	}
	putRoute(t, to, "b", "/1")
	if _, err := to.Transfer().Import(t.Context(), entriesOf(all)); err == nil {
		t.Error("a route whose pattern is taken was imported")
	}
	entries := []kv.Entry{{Bucket: "routes", Key: "b", Value: routeDocument("/2")}, all["routes/a"]}
	for i := range 40 {
		entries = append(entries, kv.Entry{Bucket: "routes", Key: fmt.Sprintf("more%d", i), Value: routeDocument(fmt.Sprintf("/more%d", i))})
	}
	if done := doImport(t, to, entries...); done.Stored != 42 || to.Routes().Table().Bad != 0 || len(to.Routes().Table().Routes) != 42 {
		t.Errorf("%+v; %d serve, %d are bad", done, len(to.Routes().Table().Routes), to.Routes().Table().Bad)
	}
}

func TestAnImportedEntryGoesInTime(t *testing.T) {
	n := open(t, testConfig(t))
	doImport(t, n, kv.Entry{Bucket: "blacklist", Key: "s1", Value: []byte("x"), Made: time.Now().Add(-time.Hour), Expires: time.Now().Add(time.Second)})
	if !n.Blacklist().Revoked("s1", "", time.Time{}) {
		t.Error("it does not cut")
	}
	waitfor.True(t, func() bool { return !n.Blacklist().Revoked("s1", "", time.Time{}) })
}

func TestBadEntriesAreNamedAndNothingIsStored(t *testing.T) {
	n := open(t, testConfig(t))
	good := kv.Entry{Bucket: "blacklist", Key: "s1", Value: []byte("x")}
	for _, bad := range []kv.Entry{{Bucket: "events", Key: "a"}, {Bucket: "blacklist"}, {Bucket: "blacklist", Key: "a..b"},
		{Bucket: "routes", Key: "a b"}, {Bucket: "routes", Key: ">"}, {Bucket: "routes", Key: "a", Value: make([]byte, 1<<20+1)}} {
		var e *kv.EntryError
		if _, err := n.Transfer().Import(t.Context(), []kv.Entry{good, bad}); !errors.As(err, &e) || e.Index != 1 {
			t.Errorf("%q: %v", bad.Key, err)
		}
	}
	if all := exported(t, n); len(all) != 0 {
		t.Errorf("stored: %v", all)
	}
}

func TestAnExportThatIsStoppedSaysSo(t *testing.T) {
	n := open(t, testConfig(t))
	for i := range 10 {
		doImport(t, n, kv.Entry{Bucket: "blacklist", Key: fmt.Sprint(i), Value: []byte("x")})
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := n.Transfer().Export(ctx, func(kv.Entry) error { cancel(); return nil }); err == nil {
		t.Error("an export that was stopped ends well")
	}
	full := errors.New("full")
	if err := n.Transfer().Export(t.Context(), func(kv.Entry) error { return full }); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}

func TestAForgedTimeDoesNotReachIntoTheFuture(t *testing.T) {
	n := open(t, testConfig(t))
	m := &nats.Msg{Subject: "$KV.blacklist." + "user.ann", Data: []byte("x"), Header: nats.Header{}}
	m.Header.Set("Weft-Made", time.Now().Add(time.Hour).Format(time.RFC3339))
	if err := n.control.Conn.PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool { _, ok := n.Blacklist().Get("user.ann"); return ok })
	if e, _ := n.Blacklist().Get("user.ann"); e.Made.After(time.Now()) {
		t.Errorf("%+v", e)
	}
}

func BenchmarkImport(b *testing.B) {
	n := open(b, testConfig(b))
	entries := make([]kv.Entry, kv.MaxImport)
	for round := 0; b.Loop(); round++ {
		for i := range entries {
			entries[i] = kv.Entry{Bucket: "blacklist", Key: fmt.Sprintf("r%d-%d", round, i), Value: []byte("x")}
		}
		doImport(b, n, entries...)
	}
	b.ReportMetric(float64(b.N*kv.MaxImport)/b.Elapsed().Seconds(), "entries/s")
}
