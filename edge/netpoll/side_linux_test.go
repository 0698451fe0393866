package netpoll

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"
)

// side is a Client that a test drives.
type side struct {
	mu       sync.Mutex
	out      [][]byte
	last     bool
	written  int
	action   Action
	received bytes.Buffer
	arrived  chan struct{}
	closed   chan error
}

func newSide() *side { return &side{arrived: make(chan struct{}, 1), closed: make(chan error, 1)} }

func (s *side) say(last bool, frames ...[]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out, s.last = append(s.out, frames...), last
}

func (s *side) Take() ([][]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.out
	s.out = nil
	return out, s.last
}

func (s *side) Wrote(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written += n
}

func (s *side) Receive(b []byte) Action {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received.Write(b)
	select {
	case s.arrived <- struct{}{}:
	default:
	}
	return s.action
}

func (s *side) Closed(err error) { s.closed <- err }

// awaitReceived waits until n bytes have come.
func (s *side) awaitReceived(t *testing.T, n int) string {
	t.Helper()
	end := time.After(30 * time.Second)
	for {
		s.mu.Lock()
		got := s.received.String()
		s.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-s.arrived:
		case <-end:
			t.Fatalf("received %q, want %d bytes", got, n)
		}
	}
}

func (s *side) awaitClosed(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.closed:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("not closed")
		return nil
	}
}

// start runs a poller until the test ends.
func start(t *testing.T, cfg Config) *Poller {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Linger == 0 {
		cfg.Linger = 5 * time.Second
	}
	p := New(cfg)
	if err := p.Open(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Run() }()
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		for _, c := range p.conns {
			if c != nil {
				t.Error("a connection is left")
			}
		}
	})
	return p
}

// pair is both ends of a TCP connection.
func pair(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close(); near.Close() })
	return near.(*net.TCPConn), far.(*net.TCPConn)
}

func attach(t *testing.T, p *Poller, early []byte) (*Conn, *side, *net.TCPConn) {
	t.Helper()
	ours, theirs := pair(t)
	s := newSide()
	c, err := p.Attach(ours, early, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, s, theirs
}
