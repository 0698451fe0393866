package server

import (
	"slices"
	"testing"
	"weft/config/testkit/testlog"
)

// Each name stands for all its addresses, one that is not known yet is kept, and
// a node that was in a cluster before goes on asking for the names.
func TestSeedsStandForAllTheirAddresses(t *testing.T) {
	cfg := testConfig(t, "n1")
	cfg.Cluster = &ClusterConfig{Seeds: []string{"localhost:6222", "not-there.invalid:6222", "127.0.0.1:6222"}}
	cfg.Cluster.Complete()
	s := New(cfg, testlog.To(t))
	got := s.routes(t.Context())
	if !slices.Contains(got, "127.0.0.1:6222") || !slices.Contains(got, "not-there.invalid:6222") {
		t.Errorf("routes %v", got)
	}
	if slices.Contains(got, "localhost:6222") {
		t.Errorf("routes %v hold a name besides its addresses: a new cluster would count it", got)
	}
	s.met = []string{"10.0.0.7:6222", "127.0.0.1:6222"}
	if got := s.routes(t.Context()); len(got) != cfg.Cluster.Size || got[0] != s.met[0] || got[1] != s.met[1] {
		t.Errorf("routes %v, want cluster.size of them and those that were met", got)
	}
	s.formed = true
	if got := s.routes(t.Context()); !slices.Contains(got, "localhost:6222") || !slices.Contains(got, "127.0.0.1:6222") {
		t.Errorf("routes %v of a node that comes back", got)
	}
}
