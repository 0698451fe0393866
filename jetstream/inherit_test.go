package jetstream

import (
	"errors"
	"testing"
	"time"

	js "github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"weft/config/testkit/testlog"
	"weft/jetstream/kv"
)

// A data folder of a version that kept the buckets in the nodes' account: who was
// revoked stays revoked from the first moment on, and it is done once.
func TestTheBucketsOfAnEarlierVersionAreCarriedOver(t *testing.T) {
	cfg := testConfig(t)
	n := New(cfg, testlog.To(t), prometheus.NewRegistry())
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []js.KeyValueConfig{n.blacklist.Bucket(), n.routes.Bucket()} {
		bucket, err := n.client.JS.CreateKeyValue(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bucket.Create(t.Context(), "old-"+c.Bucket, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = open(t, cfg)
	if !n.Blacklist().Revoked("old-blacklist", "", time.Time{}) {
		t.Error("a session that was revoked is not any more")
	}
	routes, err := asOperator(t, n).KeyValue(t.Context(), kv.Routes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := routes.Get(t.Context(), "old-routes"); err != nil {
		t.Errorf("the route: %v", err)
	}
	for _, bucket := range kv.Operated {
		if _, err := n.client.JS.Stream(t.Context(), "KV_"+bucket); !errors.Is(err, js.ErrStreamNotFound) {
			t.Errorf("the earlier bucket %s: %v", bucket, err)
		}
	}
}
