package stage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A HangingDisk is a file system of its own that can be made to hang: whoever writes
// waits, in the kernel, until it goes on.
type HangingDisk struct {
	Path string

	t      testing.TB
	holder *exec.Cmd // makes the disk go on when its input ends, also with this process
	input  io.Closer
}

// NewHangingDisk mounts an ext4 of the size in bytes at a path, by a loop device, until the
// test ends. It fails with ErrNoMount where that is not permitted, or the tools are missing.
func NewHangingDisk(t testing.TB, path string, size int64) (*HangingDisk, error) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, size), os.MkdirAll(path, 0o700)); err != nil {
		return nil, err
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", "-F", "-m", "0", image}, {"mount", "-o", "loop", image, path}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s: %v: %s", ErrNoMount, command[0], err, out)
		}
	}
	d := &HangingDisk{Path: path, t: t}
	t.Cleanup(func() {
		d.GoOn()
		if out, err := exec.Command("umount", path).CombinedOutput(); err != nil {
			t.Errorf("unmount %s: %v: %s", path, err, out)
		}
	})
	return d, nil
}

// Hang makes the disk hang until GoOn is called, or this process ends.
func (d *HangingDisk) Hang() error {
	d.holder = exec.Command("sh", "-c", `fsfreeze -f "$0" && echo hangs && read x; fsfreeze -u "$0"`, d.Path)
	input, err := d.holder.StdinPipe()
	if err != nil {
		return err
	}
	output, err := d.holder.StdoutPipe()
	if err != nil {
		return err
	}
	if err := d.holder.Start(); err != nil {
		return err
	}
	d.input = input
	if _, err := io.ReadFull(output, make([]byte, len("hangs"))); err != nil {
		d.GoOn()
		return fmt.Errorf("freeze %s: %w", d.Path, err)
	}
	return nil
}

// GoOn lets a disk that hangs go on. It may be called again.
func (d *HangingDisk) GoOn() {
	if d.holder == nil {
		return
	}
	d.input.Close()
	_ = d.holder.Wait() // of read, which has met its end
	d.holder = nil
}
