//go:build !386

package netpoll

import (
	"syscall"
	"unsafe"
)

// send is write(2) without what that does for files, which is a twentieth of it.
func send(fd int32, b []byte) (int, error) {
	n, _, errno := syscall.Syscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
		uintptr(len(b)), syscall.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
