package netpoll

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
)

// Supported says that connections can be taken over on this system.
const Supported = true

// epollET is EPOLLET of epoll_ctl(2), which package syscall has as a negative
// number.
const epollET = 1 << 31

// inward is what is asked for of every connection. Being edge-triggered it costs
// no further call.
const inward = syscall.EPOLLIN | syscall.EPOLLRDHUP | epollET

// A Poller holds connections. Its methods may be called concurrently.
type Poller struct {
	cfg     Config
	workers []*worker
	next    atomic.Uint32
	bulk    chan struct{} // semaphore of the workers that serve large fan-outs: all but one may

	epoll   *os.File // waits in the runtime's own poller, not in a thread
	raw     syscall.RawConn
	closing atomic.Bool
	over    chan struct{} // closed when the workers are done

	mu     sync.RWMutex
	conns  []*Conn // by file descriptor
	closed bool
}

// New makes a Poller that takes nothing until it is open.
func New(cfg Config) *Poller {
	if cfg.Workers <= 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	p := &Poller{cfg: cfg, over: make(chan struct{}), bulk: make(chan struct{}, max(1, cfg.Workers-1))}
	for range cfg.Workers {
		p.workers = append(p.workers, newWorker(p))
	}
	return p
}

// Open makes the epoll set.
func (p *Poller) Open() error {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make epoll set: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return errors.Join(fmt.Errorf("make epoll set: %w", err), syscall.Close(fd))
	}
	p.epoll = os.NewFile(uintptr(fd), "epoll")
	if p.raw, err = p.epoll.SyscallConn(); err != nil {
		return fmt.Errorf("use epoll set: %w", err)
	}
	return nil
}

// Run serves the connections until Close is called, then closes them and
// returns nil, or until the epoll set fails.
func (p *Poller) Run() error {
	var working sync.WaitGroup
	for _, w := range p.workers {
		working.Go(w.run)
	}
	err := p.wait()
	p.end()
	working.Wait()
	close(p.over)
	if p.closing.Load() {
		return nil
	}
	return err
}

// Close ends Run. It may be called again, and without Run.
func (p *Poller) Close() error {
	if p.epoll == nil || p.closing.Swap(true) {
		return nil
	}
	return p.epoll.Close()
}

// wait hands what epoll reports to the workers until the set is closed.
func (p *Poller) wait() error {
	events := make([]syscall.EpollEvent, 256)
	var failed error
	// The runtime calls this again, in one call of Read, whenever there is news since
	// the set was last asked: when it had less to tell than there was room for, it need
	// not be asked whether that was all.
	err := p.raw.Read(func(fd uintptr) bool {
		for {
			n, err := ask(int(fd), events, p.cfg.RawCalls)
			switch {
			case err == syscall.EINTR:
				continue
			case err != nil:
				failed = err
				return true
			}
			for _, ev := range events[:n] {
				p.report(ev)
			}
			if n < len(events) {
				return false
			}
		}
	})
	return fmt.Errorf("wait for connections: %w", errors.Join(err, failed))
}

// report hands one event to the worker of its connection.
func (p *Poller) report(ev syscall.EpollEvent) {
	c := p.find(ev.Fd, ev.Pad)
	if c == nil {
		return // closed meanwhile
	}
	var what flags
	if ev.Events&(syscall.EPOLLIN|syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		what |= readable
	}
	if ev.Events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		what |= left
	}
	if ev.Events&(syscall.EPOLLOUT|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		what |= writable
	}
	c.enqueue(what, queued)
}

func (p *Poller) find(fd, generation int32) *Conn {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if int(fd) < len(p.conns) {
		if c := p.conns[fd]; c != nil && c.generation == generation {
			return c
		}
	}
	return nil
}

// Attach takes a connection over: when it fails, conn is still
// the caller's; else conn must not be used any more. early is what was read from
// it already and is received first. closed is called when the connection is closed,
// unless it was released before.
func (p *Poller) Attach(conn net.Conn, early []byte, client Client, closed func()) (*Conn, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, ErrNotTCP
	}
	fd, err := duplicate(tcp)
	if err != nil {
		return nil, err
	}
	c := p.conn(fd)
	c.client, c.early, c.closed = client, early, closed
	if err := p.register(c); err != nil {
		return nil, err
	}
	// From now on there are two descriptors of one connection; the first one
	// goes, and with it what the runtime keeps of it.
	_ = tcp.Close()
	p.watch(c)
	if len(early) > 0 {
		c.enqueue(readable, queued)
	}
	return c, nil
}

// conn makes a connection of a descriptor; it has no client yet.
func (p *Poller) conn(fd int) *Conn {
	generation := p.next.Add(1)
	return &Conn{fd: int32(fd), generation: int32(generation), worker: p.workers[int(generation)%len(p.workers)]}
}

// register enters a connection. When that fails it is closed.
func (p *Poller) register(c *Conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.epoll == nil {
		return errors.Join(ErrClosed, syscall.Close(int(c.fd)))
	}
	for int(c.fd) >= len(p.conns) {
		p.conns = append(p.conns, make([]*Conn, max(64, len(p.conns)))...)
	}
	p.conns[c.fd] = c
	return nil
}

// watch makes the kernel report what happens to c.
func (p *Poller) watch(c *Conn) {
	if err := p.control(c, syscall.EPOLL_CTL_ADD, inward); err != nil {
		c.enqueue(failed, queued)
	}
}

func (p *Poller) control(c *Conn, op int, events uint32) error {
	var failed error
	err := p.raw.Control(func(epfd uintptr) {
		ev := syscall.EpollEvent{Events: events, Fd: c.fd, Pad: c.generation}
		failed = syscall.EpollCtl(int(epfd), op, int(c.fd), &ev)
	})
	return errors.Join(err, failed)
}

// duplicate makes a descriptor that the runtime knows nothing of.
func duplicate(conn *net.TCPConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("take connection over: %w", err)
	}
	fd := -1
	var failed error
	err = raw.Control(func(from uintptr) {
		r, _, errno := syscall.Syscall(syscall.SYS_FCNTL, from, syscall.F_DUPFD_CLOEXEC, 0)
		if errno != 0 {
			failed = errno
			return
		}
		fd = int(r)
	})
	if err = errors.Join(err, failed); err != nil {
		return 0, fmt.Errorf("take connection over: %w", err)
	}
	return fd, nil
}

// unregister is called by the worker that closes c, before it does.
func (p *Poller) unregister(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns[c.fd] == c {
		p.conns[c.fd] = nil
	}
}

// end takes no more connections and lets the workers close what there is.
func (p *Poller) end() {
	p.mu.Lock()
	p.closed = true
	var open []*Conn
	for _, c := range p.conns {
		if c != nil {
			open = append(open, c)
		}
	}
	p.mu.Unlock()
	for _, c := range open {
		c.enqueue(ended, queued)
	}
	for _, w := range p.workers {
		w.stop()
	}
}
