package netpoll

import "syscall"

// send writes to a socket: this architecture has no system call of that name.
func send(fd int32, b []byte) (int, error) { return syscall.Write(int(fd), b) }
