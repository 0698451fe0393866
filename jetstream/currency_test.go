package jetstream

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

// The proof that a mirror is current enters what its consumer has not brought,
// once.
func TestAProofBringsWhatTheConsumerDidNot(t *testing.T) {
	n := open(t, testConfig(t))
	told := 0
	deaf := &Node{cfg: n.cfg, control: n.control, blacklist: &Blacklist{log: n.log, life: time.Hour, loaded: true,
		entries: map[string]BlacklistEntry{}, count: func(int) {}, fns: []func(BlacklistEntry){func(BlacklistEntry) { told++ }}}}
	b := deaf.blacklist
	if _, ok := b.Staleness(); ok {
		t.Error("it is current before it was asked for")
	}
	for _, session := range []string{"s1", "s2"} {
		if err := n.Blacklist().Put(t.Context(), session, "", 0); err != nil {
			t.Fatal(err)
		}
	}
	deaf.prove(t.Context())
	if !b.Revoked("s1", "", time.Time{}) || !b.Revoked("s2", "", time.Time{}) || told != 2 {
		t.Errorf("%d entries, %d told", len(b.List("", 10)), told)
	}
	if age, ok := b.Staleness(); !ok || age > 20*time.Second {
		t.Errorf("proved %v ago, %v", age, ok)
	}
	first, err := n.nextChange(t.Context(), 1)
	if err != nil || first == nil {
		t.Fatal(first, err)
	}
	if err := n.Blacklist().Delete(t.Context(), "s1"); err != nil {
		t.Fatal(err)
	}
	deaf.prove(t.Context())
	// The consumer comes late with what is old.
	if b.apply(first); b.Revoked("s1", "", time.Time{}) || told != 2 {
		t.Errorf("a change was entered again; %d told", told)
	}
	// A bucket that is made anew counts from the beginning.
	b.begin(time.Now())
	if b.apply(first); !b.Revoked("s1", "", time.Time{}) {
		t.Error("the first change of a new bucket was taken for an old one")
	}
}

// A mirror that is read again drops what went away meanwhile, and keeps what
// came from elsewhere while it was read.
func TestAMirrorThatIsReadAgainKeepsWhatIsNew(t *testing.T) {
	b := &Blacklist{log: logTo(t), life: time.Hour, entries: map[string]BlacklistEntry{}, count: func(int) {}}
	made := time.Now()
	change := func(session string, seq uint64) *event.Stored {
		return &event.Stored{Subject: keyPrefix + session, Seq: seq, StoredAt: made}
	}
	b.begin(made)
	b.apply(change("gone", 1))
	b.apply(change("stays", 2))
	b.apply(change("late", 3)) // by a proof: the copy that is read has not got it yet
	b.begin(made)
	b.apply(change("new", 4)) // as well
	seen := map[string]bool{keyPrefix + "stays": b.apply(change("stays", 2))}
	b.complete(seen, 2)
	// A bucket that was made anew has all that the node remembers, but the copy that
	// is read may lag.
	expect := func(when string, all map[string]bool) {
		t.Helper()
		for session, want := range all {
			if b.Revoked(session, "", time.Time{}) != want {
				t.Errorf("%s: %s: revoked is not %v", when, session, want)
			}
		}
	}
	expect("read again", map[string]bool{"gone": false, "stays": true, "late": true, "new": true})
	b.begin(made.Add(time.Second))
	b.complete(map[string]bool{keyPrefix + "stays": b.apply(change("stays", 1))}, 1)
	expect("made anew", map[string]bool{"gone": false, "stays": true, "late": true, "new": true})
	b.apply(&event.Stored{Subject: keyPrefix + "late", Seq: 2, StoredAt: made, Header: nats.Header{"KV-Operation": {"DEL"}}})
	expect("deleted there", map[string]bool{"stays": true, "late": false, "new": true})
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
	waitFor(t, func() bool { return b.Revoked("s1", "", time.Time{}) })
	waitFor(t, func() bool { age, ok := b.Staleness(); return ok && age < 2*time.Second })
	nodes[1].Close()
	nodes[2].Close()
	waitFor(t, func() bool {
		err := nodes[0].Ready()
		return errors.Is(err, api.ErrIsolated) && strings.Contains(err.Error(), "the blacklist is as of")
	})
	if !b.Revoked("s1", "", time.Time{}) || b.Revoked("s2", "", time.Time{}) {
		t.Error("the blacklist is not as it was")
	}
}
