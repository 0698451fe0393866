package netpoll

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eachCall runs a test with raw system calls and with those of package syscall.
func eachCall(t *testing.T, run func(t *testing.T, cfg Config)) {
	for _, raw := range []bool{true, false} {
		t.Run(fmt.Sprintf("RawCalls=%v", raw), func(t *testing.T) { run(t, Config{RawCalls: raw}) })
	}
}

func TestFramesArriveInOrderAndTheLastEndsTheConnection(t *testing.T) {
	eachCall(t, framesArriveInOrder)
}

func framesArriveInOrder(t *testing.T, cfg Config) {
	p := start(t, cfg)
	c, s, peer := attach(t, p, nil)
	var want bytes.Buffer
	for i := range 2000 {
		frame := bytes.Repeat([]byte{byte('a' + i%26)}, 1+i%300)
		if i%500 == 7 {
			frame = bytes.Repeat(frame, 3000) // larger than a piece
		}
		want.Write(frame)
		s.say(i == 1999, frame, nil)
		c.Wake(i%3 == 0)
	}
	got, err := io.ReadAll(peer)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("read %d bytes, %v; want %d", len(got), err, want.Len())
	}
	peer.Close()
	if err := s.awaitClosed(t); !errors.Is(err, ErrDone) {
		t.Errorf("closed with %v, want ErrDone", err)
	}
	if s.written != want.Len() {
		t.Errorf("told of %d bytes, want %d", s.written, want.Len())
	}
}

func TestWhatThePeerSendsIsReceivedAfterWhatCameEarly(t *testing.T) { eachCall(t, lateAfterEarly) }

func lateAfterEarly(t *testing.T, cfg Config) {
	p := start(t, cfg)
	_, s, peer := attach(t, p, []byte("early "))
	if _, err := peer.Write([]byte("and late")); err != nil {
		t.Fatal(err)
	}
	if got := s.awaitReceived(t, 14); got != "early and late" {
		t.Errorf("received %q", got)
	}
}

func TestAPeerThatLeavesIsNoticed(t *testing.T) { eachCall(t, aPeerThatLeavesIsNoticed) }

func aPeerThatLeavesIsNoticed(t *testing.T, cfg Config) {
	p := start(t, cfg)
	_, s, peer := attach(t, p, nil)
	peer.Close()
	if err := s.awaitClosed(t); !errors.Is(err, io.EOF) {
		t.Errorf("closed with %v, want EOF", err)
	}
	_, s, peer = attach(t, p, nil)
	if err := peer.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	peer.Close() // resets
	if err := s.awaitClosed(t); err == nil {
		t.Error("a reset is no error")
	}
}

func TestAPeerThatLeavesWithALastWordIsNoticedAtOnce(t *testing.T) {
	p := start(t, Config{})
	c, s, peer := attach(t, p, nil)
	s.mu.Lock()
	s.action = Pause // so that the word and the end are both there when it is read
	s.mu.Unlock()
	if _, err := peer.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	s.awaitReceived(t, 5)
	if _, err := peer.Write([]byte("goodbye")); err != nil {
		t.Fatal(err)
	}
	peer.Close()
	s.say(false, []byte("x"))
	s.mu.Lock()
	s.action = Go
	s.mu.Unlock()
	c.Resume()
	if err := s.awaitClosed(t); err == nil {
		t.Error("no error")
	}
	if got := s.awaitReceived(t, 12); got != "hellogoodbye" {
		t.Errorf("received %q", got)
	}
}

func TestAPausedClientReceivesNothingUntilItResumes(t *testing.T) {
	p := start(t, Config{})
	c, s, peer := attach(t, p, nil)
	s.mu.Lock()
	s.action = Pause
	s.mu.Unlock()
	if _, err := peer.Write([]byte("one")); err != nil {
		t.Fatal(err)
	}
	s.awaitReceived(t, 3)
	if _, err := peer.Write([]byte("two")); err != nil {
		t.Fatal(err)
	}
	// What is written meanwhile goes out, and shows that the worker was here.
	s.say(false, []byte("x"))
	c.Wake(false)
	if _, err := io.ReadFull(peer, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	got := s.received.String()
	s.action = Go
	s.mu.Unlock()
	if got != "one" {
		t.Errorf("received %q while paused", got)
	}
	c.Resume()
	if got := s.awaitReceived(t, 6); got != "onetwo" {
		t.Errorf("received %q", got)
	}
}

func TestADroppedConnectionIsClosed(t *testing.T) {
	p := start(t, Config{})
	_, s, peer := attach(t, p, nil)
	s.mu.Lock()
	s.action = Drop
	s.mu.Unlock()
	if _, err := peer.Write([]byte("rubbish")); err != nil {
		t.Fatal(err)
	}
	s.awaitClosed(t)
	if _, err := io.ReadAll(peer); err != nil {
		t.Log(err) // closed either way
	}
}

func TestAPeerThatTakesNothingIsGivenUpAndHoldsNobodyUp(t *testing.T) {
	eachCall(t, aPeerThatTakesNothing)
}

func aPeerThatTakesNothing(t *testing.T, cfg Config) {
	cfg.Workers, cfg.Timeout = 1, 300*time.Millisecond
	p := start(t, cfg)
	stuck, slow, _ := attach(t, p, nil)
	slow.say(false, make([]byte, 32<<20))
	stuck.Wake(false)
	quick, s, peer := attach(t, p, nil)
	for i := range 20 {
		s.say(false, fmt.Appendf(nil, "%02d", i))
		quick.Wake(false)
		got := make([]byte, 2)
		if _, err := io.ReadFull(peer, got); err != nil || string(got) != fmt.Sprintf("%02d", i) {
			t.Fatalf("read %q, %v", got, err)
		}
	}
	if err := slow.awaitClosed(t); !errors.Is(err, ErrSlow) {
		t.Errorf("closed with %v, want ErrSlow", err)
	}
}

func TestAPeerThatTakesLittleByLittleIsKept(t *testing.T) {
	p := start(t, Config{Timeout: time.Second})
	const size = 24 << 20
	c, s, peer := attach(t, p, nil)
	s.say(true, make([]byte, size))
	c.Wake(false)
	buf := make([]byte, 1<<20)
	got := 0
	for got < size {
		n, err := peer.Read(buf)
		if err != nil {
			t.Fatalf("after %d bytes: %v", got, err)
		}
		got += n
		time.Sleep(40 * time.Millisecond) // the slowness is what is tested
	}
}

func TestAHurriedConnectionEnds(t *testing.T) {
	p := start(t, Config{})
	c, s, _ := attach(t, p, nil)
	s.say(true, make([]byte, 32<<20))
	c.Wake(false)
	c.Hurry(100 * time.Millisecond)
	c.Hurry(time.Hour)
	if err := s.awaitClosed(t); !errors.Is(err, ErrSlow) {
		t.Errorf("closed with %v, want ErrSlow", err)
	}
}

func TestWhenThePollerEndsAllAreToldAndNoneIsTaken(t *testing.T) {
	p := New(Config{})
	if err := p.Open(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Run() }()
	_, s, _ := attach(t, p, nil)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := s.awaitClosed(t); !errors.Is(err, ErrClosed) {
		t.Errorf("closed with %v, want ErrClosed", err)
	}
	ours, _ := pair(t)
	if _, err := p.Attach(ours, nil, newSide(), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("taken after the end: %v", err)
	}
	if _, err := p.Attach(&net.UnixConn{}, nil, newSide(), nil); !errors.Is(err, ErrNotTCP) {
		t.Errorf("took what is no TCP: %v", err)
	}
}
