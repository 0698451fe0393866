package netpoll

import (
	"syscall"
	"unsafe"
)

// With Config.RawCalls sockets, which are never waited for, are asked without telling the
// runtime's scheduler. It would expect each call to last: to be told costs time, and for
// some milliseconds after a call that followed a rest it would look, every 20 µs at first,
// whether somebody waits. Else the calls are those of package syscall.

// ask is epoll_wait(2) that does not wait.
func ask(epoll int, events []syscall.EpollEvent, raw bool) (int, error) {
	if !raw {
		return syscall.EpollWait(epoll, events, 0)
	}
	return result(syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))),
		uintptr(len(events)), 0, 0, 0))
}

// send is write(2).
func send(fd int32, b []byte, raw bool) (int, error) {
	if !raw {
		return syscall.Write(int(fd), b)
	}
	return sendRaw(fd, b)
}

// receive is read(2).
func receive(fd int32, b []byte, raw bool) (int, error) {
	if !raw {
		return syscall.Read(int(fd), b)
	}
	return receiveRaw(fd, b)
}

// result is what a system call has returned.
func result(n, _ uintptr, errno syscall.Errno) (int, error) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
