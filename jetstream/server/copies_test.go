package server

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Dropping the log of a copy leaves its snapshots, its term and its vote; a copy without
// a snapshot, and all others, are left as they are.
func TestDroppedLogsBeginAtASnapshot(t *testing.T) {
	s := New(Config{Node: NodeConfig{Name: "n1", DataDir: t.TempDir()}}, nil)
	root := filepath.Join(s.cfg.Node.DataDir, raftFolder)
	files := []string{
		"S-1/msgs/1.blk", "S-1/msgs/index.db", "S-1/snapshots/snap.1.2", "S-1/tav.idx", "S-1/peers.idx",
		"S-2/msgs/1.blk", "S-2/snapshots/snap.1.2", "S-3/msgs/1.blk",
	}
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, f)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, f), []byte(f), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := DropLogs(s, []string{"S-1"}); err != nil {
		t.Error(err)
	}
	if err := DropLogs(s, []string{"S-3", "S-4"}); err == nil {
		t.Error("a copy without a snapshot was told to begin at one")
	}
	var left []string
	for _, f := range files {
		if _, err := os.Stat(filepath.Join(root, f)); err == nil {
			left = append(left, f)
		}
	}
	want := []string{"S-1/snapshots/snap.1.2", "S-1/tav.idx", "S-1/peers.idx", "S-2/msgs/1.blk", "S-2/snapshots/snap.1.2", "S-3/msgs/1.blk"}
	if !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
}
