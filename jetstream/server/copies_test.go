package server

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A stoppedGroup looks like a Raft group of the server that has ended.
type stoppedGroup struct{ pterm uint64 }

// Dropping the log of a copy leaves its snapshots, its term and its vote. A copy that has
// followed meanwhile, one without a snapshot of what it knew to be agreed on, and one of
// which nothing is known are left as they are.
func TestOnlyTheLogOfACopyThatHasNotFollowedIsDropped(t *testing.T) {
	ended := func(term uint64) func() any { return func() any { return &stoppedGroup{term} } }
	for name, c := range map[string]struct {
		closed   func() any
		snapshot string
		dropped  bool
	}{
		"it is as it was seen":                  {ended(3), "snap.3.7", true},
		"it has gone back further":              {ended(2), "snap.2.8", true},
		"it has taken an entry of a new leader": {ended(5), "snap.3.7", false},
		"the snapshot is old":                   {ended(3), "snap.3.6", false},
		"there is none":                         {ended(3), "snap.3.7.tmp", false},
		"the group has not ended":               {func() any { return nil }, "snap.3.7", false},
		"the group has another form":            {func() any { return &struct{ lastTerm uint64 }{3} }, "snap.3.7", false},
		"it was never seen":                     {nil, "snap.3.7", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(Config{Node: NodeConfig{Name: "n1", DataDir: t.TempDir()}}, nil)
			root := filepath.Join(s.cfg.Node.DataDir, raftFolder)
			files := []string{"S-1/msgs/1.blk", "S-1/msgs/index.db", "S-1/snapshots/" + c.snapshot, "S-1/tav.idx", "S-1/peers.idx", "S-2/msgs/1.blk"}
			for _, f := range files {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(root, f)), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(root, f), []byte(f), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := DropLogs(s, []Copy{{Group: "S-1", Committed: 7, term: 3, closed: c.closed}})
			want := files
			if c.dropped {
				want = files[2:]
			}
			if err == nil != c.dropped {
				t.Errorf("error %v", err)
			}
			var left []string
			for _, f := range files {
				if _, err := os.Stat(filepath.Join(root, f)); err == nil {
					left = append(left, f)
				}
			}
			if !slices.Equal(left, want) {
				t.Errorf("left are %v, want %v", left, want)
			}
		})
	}
}
