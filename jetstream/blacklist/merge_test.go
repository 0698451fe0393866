package blacklist

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/kv"
)

// What has expired is remembered until the bucket says so, which takes a moment.
func TestAnEntryThatCutsMoreReplacesOneThatHasJustExpired(t *testing.T) {
	b := New(Config{Life: time.Hour, Watch: kv.WatchConfig{Log: slog.New(slog.DiscardHandler)}}, prometheus.NewRegistry())
	now := time.Now()
	old := newEntry("user.ann", "revoked", now.Add(-time.Minute), now.Add(-400*time.Millisecond))
	m := &merge{b, map[string]Entry{old.Key: old}}
	plan := kv.Plan{Now: now, Messages: map[string]*nats.Msg{}}
	m.Merge(&plan, &kv.Entry{Bucket: kv.Blacklist, Key: "user.ann", Value: []byte("revoked"), Made: now, Expires: now.Add(500 * time.Millisecond)})
	if plan.Done != (kv.Imported{Stored: 1}) || plan.Messages[kv.Subject(kv.Blacklist, "user.ann")] == nil {
		t.Errorf("%+v, %v", plan.Done, plan.Messages)
	}
	if got := m.cuts["user.ann"]; !got.Before.Equal(now) || !got.Expires.After(now) {
		t.Errorf("it cuts until %v, of what was made before %v", got.Expires, got.Before)
	}
}
