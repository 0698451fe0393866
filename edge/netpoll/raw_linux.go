package netpoll

import (
	"syscall"
	"unsafe"
)

// Sockets that are never waited for are asked without telling the runtime's
// scheduler. It would expect each call to last: to be told costs time, and for some
// milliseconds after a call that followed a rest it would look, every 20 µs at first,
// whether somebody waits.

// news is epoll_wait(2) that does not wait.
func news(epoll int, events []syscall.EpollEvent) (int, error) {
	return result(syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))),
		uintptr(len(events)), 0, 0, 0))
}

// result is what a system call has returned.
func result(n, _ uintptr, errno syscall.Errno) (int, error) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
