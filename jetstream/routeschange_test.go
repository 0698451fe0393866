package jetstream

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	js "github.com/nats-io/nats.go/jetstream"

	"weft/config/testkit/slow"
	"weft/config/testkit/waitfor"
	"weft/jetstream/api"
	"weft/jetstream/kv"
	"weft/jetstream/routes"
)

// A change that was stored and of which nobody said so is told to be what it is, and is made
// once.
func TestAChangeWhoseAcknowledgementIsLostIsMadeOnce(t *testing.T) {
	slow.Test(t, "waits for an acknowledgement")
	t.Parallel()
	n := open(t, testConfig(t))
	first := putRoute(t, n, "orders", "/a")
	lose := func() {
		stream, err := n.control.JS.Stream(t.Context(), kv.Stream(kv.Routes))
		if err != nil {
			t.Fatal(err)
		}
		cfg := stream.CachedInfo().Config
		cfg.NoAck = true // until the node finds it
		if _, err := n.control.JS.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	lose()
	item, created, err := n.Routes().Put(t.Context(), "orders", routeDocument("/b"), routes.Condition{Revision: first.Revision})
	if err != nil || created || item.Serving != item.Revision || len(n.Routes().History("orders")) != 2 {
		t.Errorf("put: %+v, %v, %v; %d versions", item, created, err, len(n.Routes().History("orders")))
	}
	lose()
	if _, created, err := n.Routes().Put(t.Context(), "new", routeDocument("/new"), routes.Condition{Absent: true}); err != nil || !created || len(n.Routes().History("new")) != 1 {
		t.Errorf("create: %v, %v; %d versions", created, err, len(n.Routes().History("new")))
	}
	lose()
	if err := n.Routes().Delete(t.Context(), "orders", routes.Condition{Revision: item.Revision}); err != nil || len(n.Routes().History("orders")) != 3 {
		t.Errorf("delete: %v; %d versions", err, len(n.Routes().History("orders")))
	}
}

// A bucket that is full says so, serves on, and takes changes again when old versions are
// purged.
func TestABucketThatIsFullTakesNoMoreUntilVersionsArePurged(t *testing.T) {
	slow.Test(t, "puts 128 MiB")
	t.Parallel()
	n := open(t, testConfig(t))
	bucket, err := asOperator(t, n).KeyValue(t.Context(), kv.Routes)
	if err != nil {
		t.Fatal(err)
	}
	putRoute(t, n, "served", "/served")
	long := bytes.Repeat([]byte("x"), 60_000)
	for size := len(long); size > 50; size /= 4 {
		for i := 0; err == nil; i++ {
			_, err = bucket.Put(t.Context(), fmt.Sprint("x", size, "-", i/20), long[:size])
		}
		err = nil
	}
	_, _, err = n.Routes().Put(t.Context(), "new", append(routeDocument("/new"), bytes.Repeat([]byte(" "), 600)...), routes.Condition{})
	if !errors.Is(err, kv.ErrFull) || !errors.Is(err, api.ErrDiskFull) {
		t.Errorf("put: %v", err)
	}
	if n.Routes().Table().Routes["served"] == nil {
		t.Error("a route is lost")
	}
	stream, err := n.control.JS.Stream(t.Context(), kv.Stream(kv.Routes))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), js.WithPurgeSubject(kv.Subject(kv.Routes, fmt.Sprint("x", len(long), "-0"))), js.WithPurgeKeep(1)); err != nil {
		t.Fatal(err)
	}
	putRoute(t, n, "new", "/new")
	waitfor.True(t, func() bool { return len(n.Routes().History(fmt.Sprint("x", len(long), "-0"))) == 1 })
}
