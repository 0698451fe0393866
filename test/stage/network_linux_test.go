package stage

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { os.Exit(Private(m.Run, nil)) }

// do calls f on a thread that is in the place: what sockets it opens are there.
func (p *Place) do(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		ns, err := os.Open("/run/netns/" + p.name())
		if err != nil {
			done <- err
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// A line is a TCP connection of which both ends are tried.
type line struct{ near, far net.Conn }

// connect opens a connection from a place to another one, or to or from the test
// program, which is nil.
func connect(t *testing.T, from, to *Place) line {
	t.Helper()
	in := func(p *Place, f func() error) {
		t.Helper()
		do := func(f func() error) error { return f() }
		if p != nil {
			do = p.do
		}
		if err := do(f); err != nil {
			t.Fatal(err)
		}
	}
	address := home
	if to != nil {
		address = to.Address
	}
	var l net.Listener
	in(to, func() (err error) { l, err = net.Listen("tcp", address+":0"); return err })
	defer l.Close()
	var near net.Conn
	in(from, func() (err error) { near, err = net.DialTimeout("tcp", l.Addr().String(), 20*time.Second); return err })
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return line{near, far}
}

// passes says whether a byte that is written at one end comes out at the other. What should
// is waited for; what should not has a time in which it would when nothing is cut.
func passes(t *testing.T, to, from net.Conn, should bool) bool {
	t.Helper()
	if _, err := from.Write([]byte{1}); err != nil {
		t.Fatalf("a cut is told to a sender: %v", err)
	}
	limit := 500 * time.Millisecond
	if should {
		limit = 20 * time.Second
	}
	if err := to.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	_, err := io.ReadFull(to, make([]byte, 1))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a cut is told to a receiver: %v", err)
	}
	return err == nil
}

func TestACutDropsWhatItSaysAndNothingElse(t *testing.T) {
	if !HasNetwork() {
		t.Skip("run the tests as root to have this one")
	}
	for _, c := range []struct {
		direction Direction
		reach     Reach
		// What still passes between the place and a peer, and the test program.
		toPeer, fromPeer, toHome, fromHome bool
	}{
		{Both, Peers, false, false, true, true},
		{In, Peers, true, false, true, true},
		{Out, Peers, false, true, true, true},
		{Both, All, false, false, false, false},
		{In, All, true, false, true, false},
		{Out, All, false, true, false, true},
	} {
		name := c.direction.String() + map[Reach]string{Peers: " from peers", All: " from all"}[c.reach]
		t.Run(name, func(t *testing.T) {
			n := NewNetwork(t, 3)
			cut := n.Places[0]
			home, peer, others := connect(t, nil, cut), connect(t, cut, n.Places[1]), connect(t, n.Places[1], n.Places[2])
			if err := cut.Cut(c.direction, c.reach); err != nil {
				t.Fatal(err)
			}
			for _, way := range []struct {
				name     string
				to, from net.Conn
				want     bool
			}{
				{"to a peer", peer.far, peer.near, c.toPeer},
				{"from a peer", peer.near, peer.far, c.fromPeer},
				{"to the test", home.near, home.far, c.toHome},
				{"from the test", home.far, home.near, c.fromHome},
				{"between others", others.far, others.near, true},
				{"back between others", others.near, others.far, true},
			} {
				if got := passes(t, way.to, way.from, way.want); got != way.want {
					t.Errorf("passes %s: %v, want %v", way.name, got, way.want)
				}
			}
			cut.Heal()
			for _, l := range []line{home, peer} {
				for _, end := range [][2]net.Conn{{l.far, l.near}, {l.near, l.far}} {
					awaitByte(t, end[0], end[1])
				}
			}
			connect(t, cut, n.Places[1])
		})
	}
}

// What was open when a place was forgotten is dropped, also the second time; what comes later is not.
func TestOldConnectionsAreForgotten(t *testing.T) {
	if !HasNetwork() {
		t.Skip("run the tests as root to have this one")
	}
	host := NewNetwork(t, 1).Places[0]
	for range 3 {
		old := connect(t, host, nil)
		if err := host.Forget(); err != nil {
			t.Fatal(err)
		}
		if passes(t, old.far, old.near, false) || passes(t, old.near, old.far, false) {
			t.Error("a connection that was open passes")
		}
		later := connect(t, host, nil)
		if !passes(t, later.far, later.near, true) || !passes(t, later.near, later.far, true) {
			t.Error("a new connection does not pass")
		}
		host.Heal()
		awaitByte(t, old.far, old.near)
	}
}

// awaitByte waits until what was held up by a cut is there.
func awaitByte(t *testing.T, to, from net.Conn) {
	t.Helper()
	if _, err := from.Write([]byte{2}); err != nil {
		t.Fatal(err)
	}
	if err := to.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for b := make([]byte, 1); b[0] != 2; {
		if _, err := io.ReadFull(to, b); err != nil {
			t.Fatalf("a healed connection does not pass: %v", err)
		}
	}
}

// The world outside sees nothing of a network.
func TestANetworkIsPrivate(t *testing.T) {
	if !HasNetwork() {
		t.Skip("run the tests as root to have this one")
	}
	NewNetwork(t, 2)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if conn, err := new(net.Dialer).DialContext(ctx, "tcp", "192.0.2.1:80"); err == nil {
		conn.Close()
		t.Error("the private network reaches the world")
	}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	outside, err := os.Readlink("/proc/1/ns/net")
	if err == nil && own == outside {
		t.Error("the test program is in the network namespace of the machine")
	}
}
