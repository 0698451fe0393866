package httpd

import (
	"net/http"

	"golang.org/x/sys/unix"
)

// Gone reports whether the client of a request of HTTP/1 has closed its connection, or its
// direction of it, which net/http takes for the same, though what it has sent before was not
// read yet. Who closes while the kernel keeps some of that back, since there is no room for
// it here, is not gone before there is. It does not block and may be called concurrently.
func Gone(r *http.Request) (gone bool) {
	p, ok := r.Context().Value(connKey{}).(*prefixedConn)
	if !ok || r.ProtoMajor != 1 {
		return false
	}
	raw, err := p.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(fds, 0)
		gone = err == nil && n > 0 && fds[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return gone
}
