package stage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A Disk is a small file system of its own, which can be filled.
type Disk struct{ Path string }

// ErrNoMount is returned by NewDisk when this user may not mount.
var ErrNoMount = errors.New("mounting is not permitted")

// NewDisk mounts a tmpfs of the size in bytes until the test ends.
func NewDisk(t testing.TB, size int64) (*Disk, error) {
	t.Helper()
	path := t.TempDir()
	if err := mount(path, size); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNoMount, err)
	}
	t.Cleanup(func() {
		if err := unmount(path); err != nil {
			t.Errorf("unmount %s: %v", path, err)
		}
	})
	return &Disk{Path: path}, nil
}

func (d *Disk) ballast() string { return filepath.Join(d.Path, "ballast") }

// Fill leaves about so many bytes free.
func (d *Disk) Fill(leave int64) error {
	free, err := available(d.Path)
	if err != nil {
		return err
	}
	n := free - leave
	if n <= 0 {
		return nil
	}
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for ; n > 0; n -= int64(len(block)) {
		if n < int64(len(block)) {
			block = block[:n]
		}
		if _, err := f.Write(block); err != nil {
			if errors.Is(err, syscall.ENOSPC) {
				return nil
			}
			return err
		}
	}
	return nil
}

// Free gives back what Fill took.
func (d *Disk) Free() error { return os.Remove(d.ballast()) }
