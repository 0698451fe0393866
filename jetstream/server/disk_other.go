//go:build !unix

package server

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// freeBytes cannot be known here; the store itself reports a full disk.
func freeBytes(string) (uint64, error) { return math.MaxUint64, nil }

// mayWrite cannot be known without trying.
func mayWrite(string) error { return nil }

// lockDataDir opens the lock file; on this system nothing stops a second process.
func lockDataDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open data folder (node.data_dir): %w", err)
	}
	return f, nil
}
