package transport

import (
	"io"
	"net"
	"testing"
	"time"

	"weft/edge/netpoll"
)

// A pauser is a client that wants to be asked after each piece that it receives.
type pauser struct {
	polledConn
	heard chan string
}

// Take implements netpoll.Client.
func (*pauser) Take() ([][]byte, bool) { return nil, false }

// Receive implements netpoll.Client.
func (p *pauser) Receive(b []byte) netpoll.Action {
	p.heard <- string(b)
	return netpoll.Pause
}

// Closed implements netpoll.Client.
func (p *pauser) Closed(error) { close(p.heard) }

// The poller reads a connection as soon as it has it, and a first command may be obeyed
// before whoever handed it over knows what the poller calls it.
func TestACommandThatIsObeyedAtOnceDoesNotEndTheReading(t *testing.T) {
	poller := netpoll.New(netpoll.Config{Timeout: time.Minute, Linger: time.Second})
	if err := poller.Open(); err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- poller.Run() }()
	defer func() {
		if err := poller.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ran; err != nil {
			t.Error(err)
		}
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p := &pauser{heard: make(chan string, 4)}
	c, err := poller.Attach(in, []byte("first"), p, func() {})
	if err != nil {
		t.Fatal(err)
	}
	hear := func(want string) {
		t.Helper()
		select {
		case got := <-p.heard:
			if got != want {
				t.Errorf("heard %q, want %q", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%q is never read", want)
		}
	}
	hear("first")
	p.resume()
	p.attached(c)
	for _, want := range []string{"second", "third"} {
		if _, err := io.WriteString(out, want); err != nil {
			t.Fatal(err)
		}
		hear(want)
		p.resume()
	}
}
