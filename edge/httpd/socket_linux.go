package httpd

import (
	"errors"
	"syscall"
)

// Options of tcp(7). package syscall lacks the first.
const (
	tcpUserTimeout = 0x12
	// vanishedAfter is after how many milliseconds without an acknowledgement
	// the kernel gives a peer up.
	vanishedAfter = 30_000
	// A peer with which nothing was exchanged for silentAfter seconds is asked
	// every probeEvery seconds whether it is still there, and given up after so
	// many questions. Who is sent keep-alives is never asked: each question would
	// cost as much as one of them.
	silentAfter, probeEvery, probes = 45, 15, 9
)

// keepAlive of net.ListenConfig: connections have what they inherit.
const keepAlive = -1

// socketOptions makes the connections that a socket accepts send at once, and
// end when their peer is gone without a word. They inherit it from the listening
// socket, which saves five system calls each.
func socketOptions(_, _ string, c syscall.RawConn) error {
	var errs []error
	err := c.Control(func(fd uintptr) {
		for _, o := range []struct{ level, name, value int }{
			{syscall.IPPROTO_TCP, tcpUserTimeout, vanishedAfter},
			{syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1},
			{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, silentAfter},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, probeEvery},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, probes},
		} {
			errs = append(errs, syscall.SetsockoptInt(int(fd), o.level, o.name, o.value))
		}
	})
	return errors.Join(append(errs, err)...)
}
