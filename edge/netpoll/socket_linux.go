//go:build !386

package netpoll

import (
	"syscall"
	"unsafe"
)

// sendRaw and receiveRaw are write(2) and read(2) without what these do for files, which
// is a twentieth of them.

func sendRaw(fd int32, b []byte) (int, error) {
	return result(syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
		uintptr(len(b)), syscall.MSG_NOSIGNAL, 0, 0))
}

func receiveRaw(fd int32, b []byte) (int, error) {
	return result(syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
		uintptr(len(b)), 0, 0, 0))
}
