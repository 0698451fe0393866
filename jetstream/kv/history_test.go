package kv

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"weft/config/testkit/waitfor"
)

// retained remembers the values of so many versions of a key.
type retained struct{ history int }

func (r retained) Fold(have string, c *Change) (string, bool) {
	if c.Rollup {
		have = ""
	}
	if c.Gone {
		have += "-"
	}
	have += string(c.Value)
	return have[max(0, len(have)-r.history):], true
}

func (retained) Retained(v string) int { return len(v) }

// Restore puts the last two back, the newest at the end.
func (retained) Restore(key, v string) []*nats.Msg {
	var messages []*nats.Msg
	for _, c := range v[max(0, len(v)-2):] {
		messages = append(messages, Message("b", key, []byte{byte(c)}, 0))
	}
	return messages
}

// Operators may purge a bucket with a history, which tells nobody: what is remembered is
// what is retained.
func TestWhatIsPurgedFromAHistoryIsForgotten(t *testing.T) {
	a, cfg := openAccount(t, "b", 3)
	cfg.MaxBytes, cfg.Replicas = 1<<20, 1 // as it is asked for: no more than what is changed back
	if err := Ensure(t.Context(), a.JS, cfg); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"x", "x", "y", "z"} {
		put(t, a, Message("b", key, []byte(key), 0))
	}
	w := watch(a, cfg, false)
	run(t, w)
	gone := make(chan string, 16)
	w.OnChange(func(key, v string, there bool) { gone <- fmt.Sprint(key, v, there) })
	keeper := NewKeeper(a, []Kept{{Config: cfg, Memory: w}}, slog.New(slog.DiscardHandler))
	stream, err := a.JS.Stream(t.Context(), Stream("b"))
	if err != nil {
		t.Fatal(err)
	}
	if err := keeper.keep(t.Context(), &keeper.buckets[0]); err != nil {
		t.Error(err)
	}
	if err := stream.Purge(t.Context(), js.WithPurgeSubject(Subject("b", "x"))); err != nil {
		t.Fatal(err)
	}
	if err := keeper.keep(t.Context(), &keeper.buckets[0]); err != nil {
		t.Error(err)
	}
	if got := <-gone; got != "xxxfalse" {
		t.Errorf("told %s", got)
	}
	// A purge of the key library is a message, and takes the place of what was before.
	bucket, err := a.JS.KeyValue(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	if err := bucket.Purge(t.Context(), "y"); err != nil {
		t.Fatal(err)
	}
	if got := <-gone; got != "y-true" {
		t.Errorf("told %s", got)
	}
	if err := keeper.keep(t.Context(), &keeper.buckets[0]); err != nil {
		t.Error(err)
	}
	put(t, a, Message("b", "z", []byte("Z"), 0))
	if got := <-gone; got != "zzZtrue" {
		t.Errorf("told %s; it was read again for nothing", got)
	}
}

// What is purged may be the newest, or all.
func TestTheNewestOfAHistoryMayBePurged(t *testing.T) {
	a, cfg := openAccount(t, "b", 3)
	cfg.MaxBytes, cfg.Replicas = 1<<20, 1
	if err := Ensure(t.Context(), a.JS, cfg); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"x", "y", "z"} {
		put(t, a, Message("b", key, []byte(key), 0))
	}
	w := watch(a, cfg, false)
	run(t, w)
	keeper := NewKeeper(a, []Kept{{Config: cfg, Memory: w}}, slog.New(slog.DiscardHandler))
	stream, err := a.JS.Stream(t.Context(), Stream("b"))
	if err != nil {
		t.Fatal(err)
	}
	for i, purge := range [][]js.StreamPurgeOpt{{js.WithPurgeSubject(Subject("b", "z"))}, nil} {
		if err := stream.Purge(t.Context(), purge...); err != nil {
			t.Fatal(err)
		}
		if err := keeper.keep(t.Context(), &keeper.buckets[0]); err != nil {
			t.Error(err)
		}
		waitfor.True(t, func() bool { return w.Len() == []int{2, 0}[i] })
	}
	put(t, a, Message("b", "x", []byte("X"), 0))
	waitfor.True(t, func() bool { x, _ := w.Get("x"); return x == "X" && w.Len() == 1 })
	if err := keeper.keep(t.Context(), &keeper.buckets[0]); err != nil {
		t.Error(err)
	}
	put(t, a, Message("b", "x", []byte("Y"), 0))
	waitfor.True(t, func() bool { x, _ := w.Get("x"); return x == "XY" })
}

// purging purges its bucket while the first change is entered.
type purging struct {
	retained
	purge func()
}

func (p purging) Fold(have string, c *Change) (string, bool) {
	p.purge()
	return p.retained.Fold(have, c)
}

// A bucket that is purged while it is read is loaded, too: what is not there any more is not
// waited for.
func TestAHistoryIsLoadedThatIsPurgedMeanwhile(t *testing.T) {
	a, cfg := openAccount(t, "b", 3)
	var messages []*nats.Msg
	for i := range 2000 { // more than a consumer brings at once
		messages = append(messages, Message("b", fmt.Sprint(i), []byte("1"), 0))
	}
	if err := a.putAll(t.Context(), messages, nil); err != nil {
		t.Fatal(err)
	}
	stream, err := a.JS.Stream(t.Context(), Stream("b"))
	if err != nil {
		t.Fatal(err)
	}
	w := NewWatch(WatchConfig{Account: a, Bucket: cfg, Log: slog.New(slog.DiscardHandler), Prove: time.Hour, CutOff: func() bool { return false }},
		purging{retained{3}, sync.OnceFunc(func() {
			if err := stream.Purge(t.Context()); err != nil {
				t.Error(err)
			}
		})})
	run(t, w)
	put(t, a, Message("b", "x", []byte("1"), 0))
	waitfor.True(t, func() bool { _, there := w.Get("x"); return there })
}

// What was restored by two nodes at once is there once, in its order, and what an
// operator put meanwhile is newer: than all of it, or than what was back by then. While one
// node puts a key's versions back, the other may have read only the first.
func TestAHistoryThatIsMadeAnewIsPutBackInItsOrder(t *testing.T) {
	a, cfg := openAccount(t, "b", 3)
	for _, c := range "123" {
		put(t, a, Message("b", "x", []byte{byte(c)}, 0))
	}
	put(t, a, Message("b", "y", []byte("1"), 0))
	put(t, a, Message("b", "z", []byte("1"), 0))
	put(t, a, Message("b", "z", []byte("2"), 0))
	one, other := watch(a, cfg, false), watch(a, cfg, false)
	run(t, one)
	run(t, other)
	if err := a.JS.DeleteStream(t.Context(), Stream("b")); err != nil {
		t.Fatal(err)
	}
	if err := Ensure(t.Context(), a.JS, cfg); err != nil {
		t.Fatal(err)
	}
	put(t, a, Message("b", "z", []byte("9"), 0))
	for _, w := range []*Watch[string]{one, other} {
		waitfor.True(t, func() bool {
			x, _ := w.Get("x")
			y, _ := w.Get("y")
			z, _ := w.Get("z")
			if !slices.Contains([]string{"123", "2", "23"}, x) || y != "1" || !slices.Contains([]string{"1", "12", "9", "19", "129"}, z) {
				t.Fatalf("%q, %q, %q", x, y, z)
			}
			return x == "23" && strings.HasSuffix(z, "9") && w.Len() == 3
		})
	}
}
