package jetstream

import (
	"testing"
	"weft/internal/testlog"
)

// A server that comes back to its cluster hears of the streams as soon as it runs.
func TestTheStoreIsThereAsSoonAsTheServerRuns(t *testing.T) {
	for _, store := range []bool{true, false} {
		e := newEmbedded(serverTestConfig(t, "n1"), testlog.To(t))
		opts, err := e.options(store)
		if err != nil {
			t.Fatal(err)
		}
		srv, err := e.launch(opts)
		if err != nil {
			t.Fatal(err)
		}
		acc, err := srv.LookupAccount(accountNodes)
		if err != nil {
			t.Fatal(err)
		}
		if got := acc.JetStreamEnabled(); got != store {
			t.Errorf("a store is there: %v, want %v", got, store)
		}
		stop(srv)
	}
}
