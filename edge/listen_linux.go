package edge

import "syscall"

// tcpUserTimeout is TCP_USER_TIMEOUT of tcp(7), which package syscall lacks.
const tcpUserTimeout = 0x12

// vanishedAfter is after how many milliseconds without an acknowledgement the
// kernel gives a peer up.
const vanishedAfter = 30_000

// vanished makes the connections that a socket accepts end when their peer is
// gone without a word. They inherit the option from the listening socket.
func vanished(_, _ string, c syscall.RawConn) error {
	var err error
	if cerr := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, vanishedAfter)
	}); cerr != nil {
		return cerr
	}
	return err
}
