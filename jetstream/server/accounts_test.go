package server

import (
	"testing"

	"weft/config/testkit/testlog"
)

// A server that comes back to its cluster hears of the streams as soon as it runs.
func TestTheStoreIsThereAsSoonAsTheServerRuns(t *testing.T) {
	for _, store := range []bool{true, false} {
		s := New(testConfig(t, "n1"), testlog.To(t))
		if err := s.run(nil, store); err != nil {
			t.Fatal(err)
		}
		acc, err := s.running().LookupAccount(accountNodes)
		if err != nil {
			t.Fatal(err)
		}
		if got := acc.JetStreamEnabled(); got != store {
			t.Errorf("a store is there: %v, want %v", got, store)
		}
		s.Stop()
	}
}
