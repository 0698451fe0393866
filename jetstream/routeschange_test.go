package jetstream

import (
	"testing"

	"weft/config/testkit/slow"
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
