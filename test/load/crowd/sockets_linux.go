package crowd

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// look is how often, in milliseconds, an idle worker looks whether it is to
// connect more or to end.
const look = 20

// readSize is how much a worker reads from a connection at once.
const readSize = 64 << 10

// sockets are plain connections, by raw system calls.
type sockets struct {
	workers []*worker
	stop    atomic.Bool
	running sync.WaitGroup
}

// A worker is an epoll set and what is in it.
type worker struct {
	*shard
	target  Target
	servers []syscall.Sockaddr // asked in turn
	local   bool               // all are on loopback: source addresses are ours to choose
	source  byte               // last byte of 127.0.0.x
	first   int                // number of its first subscriber
	step    int                // from one of its subscribers to the next
	want    atomic.Int64
	opening int // handshakes under way
	most    int
	epoll   int
	conns   []*socket
	buf     []byte
}

// A socket is a connection.
type socket struct {
	listener
	fd      int
	toSend  []byte // of the request
	opening bool   // counted in worker.opening
}

func newSockets(c *Crowd) (kind, error) {
	var servers []syscall.Sockaddr
	local := true
	for i := range c.cfg.Target.hosts() {
		host := c.cfg.Target.host(i)
		server, err := netip.ParseAddrPort(host)
		if err != nil || !server.Addr().Is4() {
			return nil, fmt.Errorf("plain connections need an IPv4 address and a port, not %q", host)
		}
		servers = append(servers, &syscall.SockaddrInet4{Port: int(server.Port()), Addr: server.Addr().As4()})
		local = local && server.Addr().IsLoopback()
	}
	s := &sockets{}
	for i := range c.cfg.Workers {
		epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("create epoll set: %w", err)
		}
		w := &worker{
			shard: &shard{crowd: c}, target: c.cfg.Target, epoll: epoll, buf: make([]byte, readSize),
			servers: servers, local: local, source: 2, // those of 127.0.0.1 are left to publishers
			first: i, step: c.cfg.Workers, most: max(1, c.cfg.Connecting/c.cfg.Workers),
		}
		c.shards = append(c.shards, w.shard)
		s.workers = append(s.workers, w)
	}
	for _, w := range s.workers {
		s.running.Go(func() { w.run(&s.stop) })
	}
	return s, nil
}

func (s *sockets) grow(n int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("get limit of open files: %w", err)
	}
	if need := uint64(n) + 100; limit.Cur < need {
		limit.Cur = min(need, limit.Max)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < need {
			return fmt.Errorf("%d connections need %d open files and the limit is %d: raise it (ulimit -n)", n, need, limit.Max)
		}
	}
	for _, w := range s.workers {
		w.want.Store(int64((n - w.first + w.step - 1) / w.step))
	}
	return nil
}

func (s *sockets) close() {
	s.stop.Store(true)
	s.running.Wait()
	for _, w := range s.workers {
		for _, c := range w.conns {
			if !c.ended {
				syscall.Close(c.fd)
			}
		}
		w.conns = nil
		if w.epoll >= 0 {
			syscall.Close(w.epoll)
			w.epoll = -1
		}
	}
}

func (w *worker) run(stop *atomic.Bool) {
	events := make([]syscall.EpollEvent, 256)
	for !stop.Load() {
		w.connect()
		n, err := syscall.EpollWait(w.epoll, events, look)
		if err != nil {
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			w.crowd.fail(fmt.Errorf("wait for events: %w", err))
			return
		}
		w.mu.Lock()
		for _, e := range events[:n] {
			c := w.conns[e.Pad]
			if err := w.turn(c, e.Events); err != nil && !c.ended {
				w.end(&c.subscriber, fmt.Errorf("subscriber %d: %w", c.index, err))
				w.opened(c)
				syscall.Close(c.fd)
			}
		}
		w.flush()
		w.mu.Unlock()
	}
}

// connect begins as many connections as are wanted and allowed.
func (w *worker) connect() {
	for w.opening < w.most && int64(len(w.conns)) < w.want.Load() {
		i := w.first + len(w.conns)*w.step
		c := &socket{fd: -1, toSend: w.target.request(i)}
		c.index, c.subject = uint32(i), w.crowd.cfg.Subject(i)
		w.mu.Lock()
		w.conns = append(w.conns, c)
		w.all = append(w.all, &c.subscriber)
		c.opening = true
		w.opening++
		if err := w.dial(c); err != nil {
			w.end(&c.subscriber, fmt.Errorf("connect subscriber %d: %w", i, err))
			w.opened(c)
		}
		w.mu.Unlock()
	}
}

// ipBindAddressNoPort leaves the choice of the port to connect, which may use one
// again for another server (ip(7), IP_BIND_ADDRESS_NO_PORT).
const ipBindAddressNoPort = 24

func (w *worker) dial(c *socket) error {
	for {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		err = w.begin(c, fd)
		if err == nil {
			return nil
		}
		syscall.Close(fd)
		if !errors.Is(err, syscall.EADDRNOTAVAIL) || !w.local || w.source == 255 {
			return err
		}
		w.source++ // the ports of this address are used up
	}
}

func (w *worker) begin(c *socket, fd int) error {
	if w.local {
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, ipBindAddressNoPort, 1)
		if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, w.source}}); err != nil {
			return os.NewSyscallError("bind", err)
		}
	}
	if err := syscall.Connect(fd, w.servers[int(c.index)%len(w.servers)]); err != nil && !errors.Is(err, syscall.EINPROGRESS) {
		return os.NewSyscallError("connect", err)
	}
	c.fd = fd
	return w.watch(c, syscall.EPOLL_CTL_ADD, syscall.EPOLLIN|syscall.EPOLLOUT)
}

func (w *worker) watch(c *socket, op int, events uint32) error {
	at := (int(c.index) - w.first) / w.step
	err := syscall.EpollCtl(w.epoll, op, c.fd, &syscall.EpollEvent{Events: events, Fd: int32(c.fd), Pad: int32(at)})
	return os.NewSyscallError("epoll_ctl", err)
}

// opened ends the handshake of a connection.
func (w *worker) opened(c *socket) {
	if c.opening {
		c.opening, c.toSend = false, nil
		w.opening--
	}
}

// turn does what can be done on a connection.
func (w *worker) turn(c *socket, events uint32) error {
	if c.ended {
		return nil
	}
	if len(c.toSend) > 0 && events&(syscall.EPOLLOUT|syscall.EPOLLERR|syscall.EPOLLHUP) != 0 {
		if err := w.ask(c); err != nil {
			return err
		}
	}
	if events&(syscall.EPOLLIN|syscall.EPOLLERR|syscall.EPOLLHUP) == 0 {
		return nil
	}
	n, err := syscall.Read(c.fd, w.buf)
	switch {
	case errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR):
		return nil
	case err != nil:
		return os.NewSyscallError("read", err)
	case n == 0:
		return errEnded
	}
	answer, err := c.take(w.shard, w.buf[:n], Now())
	if c.ready {
		w.opened(c)
	}
	if err == nil && len(answer) > 0 {
		// Small and rare: it fits into the socket's buffer or the server does not read.
		_, err = syscall.Write(c.fd, answer)
	}
	return err
}

// ask sends the request.
func (w *worker) ask(c *socket) error {
	n, err := syscall.Write(c.fd, c.toSend)
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return nil
	case err != nil:
		return os.NewSyscallError("write request", err)
	}
	if c.toSend = c.toSend[n:]; len(c.toSend) > 0 {
		return nil
	}
	return w.watch(c, syscall.EPOLL_CTL_MOD, syscall.EPOLLIN)
}
