package netpoll

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// leaver is a side that leaves what it has received to the next one.
type leaver struct{ *side }

func (l leaver) Rest() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.received.Bytes()
}

// listen makes a poller take connections until the test ends, each with the
// client that is next in the channel.
func listen(t *testing.T, p *Poller, timeout time.Duration, clients <-chan Client) (dial func() *net.TCPConn, conns <-chan *Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	arrived, done, ended := make(chan *Conn, 8), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- p.Accept(ln.(*net.TCPListener), done, func(c *Conn, peer netip.AddrPort) (Client, time.Duration) {
			if peer.Addr() != netip.MustParseAddr("127.0.0.1") || peer.Port() == 0 {
				t.Errorf("the peer's address is %v", peer)
			}
			arrived <- c
			return <-clients, timeout
		})
	}()
	t.Cleanup(func() {
		close(done)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		ln.Close()
	})
	return func() *net.TCPConn {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn.(*net.TCPConn)
	}, arrived
}

func TestAConnectionThatCameInChangesHands(t *testing.T) {
	p := start(t, Config{})
	first, second := leaver{newSide()}, newSide()
	clients := make(chan Client, 1)
	clients <- first
	dial, conns := listen(t, p, 10*time.Second, clients)
	peer := dial()
	if _, err := peer.Write([]byte("hello ")); err != nil {
		t.Fatal(err)
	}
	first.awaitReceived(t, 6)
	c := <-conns
	second.say(false, []byte("welcome"))
	c.SetClient(second, 0)
	c.Wake(false)
	if got := second.awaitReceived(t, 6); got != "hello " {
		t.Errorf("the next client received %q", got)
	}
	got := make([]byte, 7)
	if _, err := io.ReadFull(peer, got); err != nil || string(got) != "welcome" {
		t.Errorf("the peer read %q, %v", got, err)
	}
	if _, err := peer.Write([]byte("again")); err != nil {
		t.Fatal(err)
	}
	if got := second.awaitReceived(t, 11); got != "hello again" {
		t.Errorf("the next client received %q", got)
	}
	peer.Close()
	if err := second.awaitClosed(t); !errors.Is(err, io.EOF) {
		t.Errorf("closed with %v, want EOF", err)
	}
	select {
	case err := <-first.closed:
		t.Errorf("the first client was told %v", err)
	default:
	}
}

func TestAConnectionThatIsReleasedGoesOnWithoutThePoller(t *testing.T) {
	p := start(t, Config{})
	first := leaver{newSide()}
	clients := make(chan Client, 1)
	clients <- first
	dial, conns := listen(t, p, time.Second, clients)
	peer := dial()
	if _, err := peer.Write([]byte("some")); err != nil {
		t.Fatal(err)
	}
	first.awaitReceived(t, 4)
	type released struct {
		conn *net.TCPConn
		rest []byte
		err  error
	}
	out := make(chan released, 1)
	(<-conns).Release(func(conn *net.TCPConn, rest []byte, err error) { out <- released{conn, rest, err} })
	r := <-out
	if r.err != nil || string(r.rest) != "some" {
		t.Fatalf("released with %q, %v", r.rest, r.err)
	}
	defer r.conn.Close()
	time.Sleep(1200 * time.Millisecond) // its timeout is over, and nobody else's concern
	if _, err := peer.Write([]byte("thing")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(r.conn, got); err != nil || string(got) != "thing" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestAConnectionThatSaysNothingIsGivenUp(t *testing.T) {
	p := start(t, Config{})
	silent, waiting := newSide(), &patient{side: newSide(), conn: make(chan *Conn, 1)}
	clients := make(chan Client, 2)
	clients <- silent
	clients <- waiting
	dial, conns := listen(t, p, time.Second, clients)
	dial()
	<-conns
	peer := dial()
	waiting.conn <- <-conns
	if _, err := peer.Write([]byte("wait for me")); err != nil {
		t.Fatal(err)
	}
	if err := silent.awaitClosed(t); !errors.Is(err, ErrSlow) {
		t.Errorf("closed with %v, want ErrSlow", err)
	}
	select {
	case err := <-waiting.closed:
		t.Errorf("who was granted more time was closed with %v", err)
	case <-time.After(500 * time.Millisecond):
	}
}

// patient waits for its peer forever once that has said something.
type patient struct {
	*side
	conn chan *Conn
}

func (p *patient) Receive(b []byte) Action {
	(<-p.conn).SetTimeout(0)
	return p.side.Receive(b)
}

func TestAConnectionThatIsClosedChangesHandsNoMore(t *testing.T) {
	p := start(t, Config{})
	first, next := newSide(), newSide()
	clients := make(chan Client, 1)
	clients <- first
	dial, conns := listen(t, p, 10*time.Second, clients)
	dial().Close()
	if err := first.awaitClosed(t); !errors.Is(err, io.EOF) {
		t.Fatalf("closed with %v, want EOF", err)
	}
	c := <-conns
	c.SetClient(next, 0)
	if err := next.awaitClosed(t); !errors.Is(err, io.EOF) {
		t.Errorf("the next client was told %v, want EOF", err)
	}
	out := make(chan error, 1)
	c.Release(func(conn *net.TCPConn, _ []byte, err error) { out <- err })
	if err := <-out; !errors.Is(err, io.EOF) {
		t.Errorf("released with %v, want EOF", err)
	}
}

// A poll that can be answered at once gives its connection away twice, faster than
// the poller comes to it.
func TestOnlyTheLastOfManyTakersCounts(t *testing.T) {
	p := start(t, Config{})
	first, last := newSide(), newSide()
	clients := make(chan Client, 1)
	clients <- first
	dial, conns := listen(t, p, 10*time.Second, clients)
	peer := dial()
	c := <-conns
	for range 20_000 {
		c.SetClient(newSide(), 0)
		c.SetClient(newSide(), 0)
	}
	c.SetClient(last, 0)
	if _, err := peer.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if got := last.awaitReceived(t, 5); got != "hello" {
		t.Errorf("the last client received %q", got)
	}
}

// What is told of the end of a connection does not depend on whose it is by then.
func TestTheEndOfAConnectionIsToldOnceItIsClosed(t *testing.T) {
	p := start(t, Config{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	arrived, closed := make(chan *Conn, 8), make(chan struct{}, 8)
	done, ended := make(chan struct{}), make(chan error, 1)
	count := 0
	go func() {
		ended <- p.Accept(ln.(*net.TCPListener), done, func(c *Conn, _ netip.AddrPort) (Client, time.Duration) {
			if count++; count == 1 { // there is no room for the first one
				return nil, 0
			}
			c.OnClose(func() { closed <- struct{}{} })
			arrived <- c
			return newSide(), time.Minute
		})
	}()
	defer func() {
		close(done)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		return conn
	}
	if _, err := dial().Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("who is not taken hears %v", err)
	}
	wait := func() {
		t.Helper()
		select {
		case <-closed:
		case <-time.After(30 * time.Second):
			t.Fatal("the end is not told")
		}
	}
	peer := dial()
	next := newSide()
	(<-arrived).SetClient(next, 0)
	peer.Close()
	wait()

	dial()
	out := make(chan *net.TCPConn, 1)
	(<-arrived).Release(func(conn *net.TCPConn, _ []byte, err error) {
		if err != nil {
			t.Error(err)
		}
		out <- conn
	})
	conn := <-out
	select {
	case <-closed:
		t.Error("a released connection is told to be closed")
	default:
	}
	c, err := p.Attach(conn, nil, newSide(), func() { closed <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	c.Hurry(0)
	wait()
	if len(closed) != 0 {
		t.Error("told more than once")
	}
}
