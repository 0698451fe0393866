package stage

import (
	"fmt"
	"syscall"
)

// mount makes a tmpfs of the size in bytes.
func mount(path string, size int64) error {
	return syscall.Mount("weft-test", path, "tmpfs", 0, fmt.Sprintf("size=%d", size))
}

func unmount(path string) error { return syscall.Unmount(path, syscall.MNT_DETACH) }

// available are the bytes that a file system has for this user.
func available(path string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
