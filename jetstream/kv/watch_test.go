package kv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
)

// openAccount runs a server with a bucket whose keys have so many versions.
func openAccount(t *testing.T, bucket string, history uint8) (*Account, js.KeyValueConfig) {
	t.Helper()
	srv, err := server.NewServer(&server.Options{JetStream: true, StoreDir: t.TempDir(), DontListen: true, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	conn, err := nats.Connect("", nats.InProcessServer(srv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	a := new(Account)
	cfg := js.KeyValueConfig{Bucket: bucket, History: history, TTL: time.Hour, LimitMarkerTTL: time.Minute}
	if err := a.Open(conn); err != nil {
		t.Fatal(err)
	}
	if err := Ensure(t.Context(), a.JS, cfg); err != nil {
		t.Fatal(err)
	}
	return a, cfg
}

// versions remembers all values of a key, joined.
type versions struct{}

func (versions) Fold(have string, c *Change) (string, bool) {
	if c.Gone {
		return have + "-", have != ""
	}
	return have + string(c.Value), true
}

func (versions) Restore(key, v string) []*nats.Msg {
	return []*nats.Msg{Message("b", key, []byte(v), 0)}
}

// forgetful remembers nothing of what is gone.
type forgetful struct{ versions }

func (forgetful) Fold(string, *Change) (string, bool) { return "", false }

func watch(a *Account, cfg js.KeyValueConfig, cutOff bool) *Watch[string] {
	var f Folder[string] = versions{}
	if cfg.History > 1 {
		f = retained{int(cfg.History)}
	}
	return NewWatch(WatchConfig{Account: a, Bucket: cfg, Log: slog.New(slog.DiscardHandler), Prove: time.Hour,
		CutOff: func() bool { return cutOff }}, f)
}

// run runs a Watch until the test ends and returns when it is loaded.
func run(t *testing.T, w *Watch[string]) {
	ctx, cancel := context.WithCancel(t.Context())
	done, loaded := make(chan struct{}), make(chan struct{}, 16)
	go func() { defer close(done); w.Run(ctx, func() { loaded <- struct{}{} }) }()
	t.Cleanup(func() { cancel(); <-done })
	<-loaded
}

func put(t *testing.T, a *Account, m *nats.Msg) {
	t.Helper()
	if err := Put(t.Context(), a.Conn, m); err != nil {
		t.Fatal(err)
	}
}

func TestAllVersionsThatTheBucketRetainsComeInTheirOrder(t *testing.T) {
	a, cfg := openAccount(t, "b", 3)
	for i := range 5 {
		put(t, a, Message("b", "k", []byte{byte('0' + i)}, 0))
	}
	put(t, a, Deletion("b", "gone"))
	w := watch(a, cfg, false)
	told := make(chan string, 16)
	w.OnChange(func(key, v string, there bool) { told <- fmt.Sprint(key, v, there) })
	run(t, w)
	if v, ok := w.Get("k"); v != "234" || !ok || w.Len() != 2 || !w.Loaded() {
		t.Errorf("%q, %v; %d keys", v, ok, w.Len())
	}
	put(t, a, Message("b", "k", []byte("5"), 0))
	put(t, a, Deletion("b", "k"))
	loaded := []string{<-told, <-told}
	slices.Sort(loaded)
	for i, want := range []string{"gone-true", "k234true"} {
		if loaded[i] != want {
			t.Errorf("told %s instead of %s", loaded[i], want)
		}
	}
	for _, want := range []string{"k345true", "k45-true"} {
		if got := <-told; got != want {
			t.Errorf("told %s instead of %s", got, want)
		}
	}
	if err := w.AwaitFresh(t.Context()); err != nil {
		t.Error(err)
	}
	if _, ok := w.Staleness(); !ok {
		t.Error("it is not proven fresh")
	}
}

// The proof that a Watch is fresh enters what its consumer has not brought, once.
func TestAProofBringsWhatTheConsumerDidNot(t *testing.T) {
	a, cfg := openAccount(t, "b", 1)
	deaf := watch(a, cfg, false)
	told := 0
	deaf.OnChange(func(string, string, bool) { told++ })
	if _, ok := deaf.Staleness(); ok {
		t.Error("it is fresh before it was asked for")
	}
	put(t, a, Message("b", "x", []byte("1"), 0))
	put(t, a, Message("b", "y", []byte("2"), 0))
	deaf.CatchUp(t.Context())
	if keys := slices.Collect(maps.Keys(deaf.All())); len(keys) != 2 || told != 2 {
		t.Errorf("%v, %d told", keys, told)
	}
	if age, ok := deaf.Staleness(); !ok || age > 20*time.Second {
		t.Errorf("proved %v ago, %v", age, ok)
	}
	first, err := deaf.nextChange(t.Context(), 1)
	if err != nil || first == nil {
		t.Fatal(first, err)
	}
	put(t, a, Message("b", "x", []byte("3"), 0))
	deaf.CatchUp(t.Context())
	// The consumer comes late with what is old.
	if deaf.apply(first, deaf.made); told != 3 {
		t.Errorf("a change was entered again; %d told", told)
	}
	// A bucket that is made anew counts from the beginning, and what is said of the
	// one before counts no more.
	before := deaf.made
	now := time.Now()
	deaf.begin(now)
	if deaf.apply(first, before); told != 3 {
		t.Error("a change of the bucket before was entered")
	}
	if deaf.apply(first, now); told != 4 {
		t.Error("the first change of a new bucket was taken for an old one")
	}
}

func TestALeaderThatIsCutOffProvesNothing(t *testing.T) {
	a, cfg := openAccount(t, "b", 1)
	w := watch(a, cfg, true)
	run(t, w)
	put(t, a, Message("b", "x", []byte("1"), 0))
	w.CatchUp(t.Context())
	if _, ok := w.Staleness(); ok {
		t.Error("it is fresh by the word of a leader that is cut off")
	}
}

// A Watch that is read again drops what went away meanwhile, and keeps what
// came from elsewhere while it was read.
func TestAWatchThatIsReadAgainKeepsWhatIsNew(t *testing.T) {
	w := watch(nil, js.KeyValueConfig{Bucket: "b", History: 1}, false)
	var told []string
	w.OnChange(func(key, _ string, there bool) { told = append(told, fmt.Sprint(key, there)) })
	made := time.Now()
	change := func(key string, seq uint64) *Change {
		return &Change{Entry: Entry{Bucket: "b", Key: key, Value: []byte("v"), Made: made, Expires: made.Add(time.Hour)}, Seq: seq}
	}
	expect := func(when, want string) {
		t.Helper()
		keys := slices.Collect(maps.Keys(w.All()))
		slices.Sort(keys)
		if got := strings.Join(keys, " "); got != want {
			t.Errorf("%s: there is %q instead of %q", when, got, want)
		}
	}
	w.begin(made)
	w.apply(change("gone", 1), made)
	w.apply(change("stays", 2), made)
	w.apply(change("late", 3), made) // by a proof: the copy that is read has not got it yet
	w.begin(made)
	w.apply(change("new", 4), made) // as well
	w.complete(map[string]bool{"stays": w.apply(change("stays", 2), made)}, 2)
	expect("read again", "late new stays")
	if last := told[len(told)-1]; last != "gonefalse" {
		t.Errorf("told %v", told)
	}
	// A bucket that was made anew has all that the node remembers, but the copy that
	// is read may lag.
	anew := made.Add(time.Second)
	w.begin(anew)
	w.complete(map[string]bool{"stays": w.apply(change("stays", 1), anew)}, 1)
	expect("made anew", "late new stays")
	gone := change("late", 2)
	gone.Gone = true
	w.folder = forgetful{}
	w.apply(gone, anew)
	expect("deleted there", "new stays")
}

// Who follows a bucket that has gone puts back what it remembers, over nothing that was
// put since.
func TestABucketThatIsMadeAnewGetsItsEntriesBack(t *testing.T) {
	a, cfg := openAccount(t, "b", 1)
	put(t, a, Message("b", "x", []byte("x"), 0))
	put(t, a, Message("b", "y", []byte("y"), 0))
	w := watch(a, cfg, false)
	changes := make(chan string, 16)
	run(t, w)
	w.OnChange(func(key, v string, there bool) { changes <- fmt.Sprint(key, v, there) })
	keeper := NewKeeper(a, []Kept{{Config: cfg, Memory: w}}, slog.New(slog.DiscardHandler))
	if err := a.JS.DeleteStream(t.Context(), Stream("b")); err != nil {
		t.Fatal(err)
	}
	<-w.Missed()
	if !w.Remaking() || w.Len() != 2 {
		t.Errorf("remaking %v; %d keys are remembered", w.Remaking(), w.Len())
	}
	if err := keeper.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{<-changes: true, <-changes: true}
	if !got["xxxtrue"] || !got["yyytrue"] { // folded onto what is remembered
		t.Errorf("told %v", got)
	}
	bucket, err := a.JS.KeyValue(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"x", "y"} {
		if e, err := bucket.Get(t.Context(), key); err != nil || string(e.Value()) != key {
			t.Errorf("%s: %v, %v", key, e, err)
		}
	}
}

// A put says why it failed.
func TestAPutThatIsConditionalSaysWhyItFailed(t *testing.T) {
	a, cfg := openAccount(t, "b", 3)
	cfg.MaxBytes = 4096
	if err := Ensure(t.Context(), a.JS, cfg); err != nil {
		t.Fatal(err)
	}
	seq, err := a.PutAt(t.Context(), Message("b", "k", []byte("1"), 0), 0)
	if err != nil || seq != 1 {
		t.Fatal(seq, err)
	}
	for newest, want := range map[uint64]error{0: api.ErrExists, 7: api.ErrExists, 1: nil} {
		if _, err := a.PutAt(t.Context(), Message("b", "k", []byte("2"), 0), newest); !errors.Is(err, want) {
			t.Errorf("newest %d: %v", newest, err)
		}
	}
	if _, err := a.PutAt(t.Context(), Message("b", "large", make([]byte, 8192), 0), 0); !errors.Is(err, api.ErrDiskFull) {
		t.Errorf("a bucket that is full: %v", err)
	}
	if _, err := a.PutAt(t.Context(), Message("nobody", "k", nil, 0), 0); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("no bucket: %v", err)
	}
}

func TestAnEntryLivesNoLongerThanItsBucketKeepsIt(t *testing.T) {
	stored := time.Now()
	for name, c := range map[string]struct {
		header nats.Header
		age    time.Duration
		want   time.Duration
	}{
		"for ever":           {nil, 0, 0},
		"the bucket's":       {nil, time.Hour, time.Hour},
		"its own":            {nats.Header{"Nats-TTL": {"60s"}}, time.Hour, time.Minute},
		"its own, for ever":  {nats.Header{"Nats-TTL": {"60s"}}, 0, time.Minute},
		"beyond":             {nats.Header{"Nats-TTL": {"2h"}}, time.Hour, time.Hour},
		"what is no life":    {nats.Header{"Nats-TTL": {"never"}}, time.Hour, time.Hour},
		"the last one tells": {nats.Header{"Nats-TTL": {"1s", "60s"}}, time.Hour, time.Minute},
	} {
		e := changeOf("b", &api.Message{Subject: "$KV.b.k.l", Time: stored, Header: c.header}, c.age)
		if left := e.Expires.Sub(stored); e.Key != "k.l" || c.want == 0 != e.Expires.IsZero() || c.want > 0 && left != c.want {
			t.Errorf("%s: %+v", name, e)
		}
	}
}
