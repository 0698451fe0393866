package netpoll

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

// A speaker is a Client that has the same frames to say each time it is woken.
type speaker struct {
	frames [][]byte
	said   chan struct{}

	mu  sync.Mutex
	out [][]byte
}

func (s *speaker) Take() ([][]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.out
	s.out = nil
	return out, false
}
func (s *speaker) Wrote(int)           { s.said <- struct{}{} }
func (*speaker) Receive([]byte) Action { return Go }
func (*speaker) Closed(error)          {}

// What it costs to wake a connection and to write an event to it.
func BenchmarkAWrite(b *testing.B) {
	p := New(Config{Workers: 1, Timeout: time.Second, Linger: time.Second, RawCalls: true})
	if err := p.Open(); err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Run() }()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	near, err := ln.Accept()
	if err != nil {
		b.Fatal(err)
	}
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		for buf := make([]byte, 64<<10); ; {
			if _, err := far.Read(buf); err != nil {
				return
			}
		}
	}()
	s := &speaker{frames: [][]byte{make([]byte, 60), make([]byte, 200)}, said: make(chan struct{}, 1)}
	c, err := p.Attach(near, nil, s, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	out := make([][]byte, len(s.frames))
	for b.Loop() {
		s.mu.Lock()
		copy(out, s.frames) // nobody has it any more
		s.out = out
		s.mu.Unlock()
		c.Wake(false)
		<-s.said
	}
	if err := errors.Join(p.Close(), <-done, far.Close(), ln.Close()); err != nil {
		b.Fatal(err)
	}
	<-reading
}
