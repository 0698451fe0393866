package netpoll

import (
	"testing"
	"time"
)

func TestALargeFanOutLeavesRoomForOthers(t *testing.T) {
	p := New(Config{Workers: 1, Timeout: time.Second, Linger: time.Second})
	w := p.workers[0]
	var order []string
	add := func(name string, bulk bool) *Conn {
		c := &Conn{worker: w, client: &called{func() { order = append(order, name) }}}
		c.Wake(bulk)
		return c
	}
	for range 3 * share {
		add("bulk", true)
	}
	add("quick", false)
	w.stop()
	w.run()
	at := -1
	for i, name := range order {
		if name == "quick" {
			at = i
		}
	}
	if len(order) != 3*share+1 || at < 0 || at > share {
		t.Errorf("the quick one came at %d of %d", at, len(order))
	}
}

// called is a Client that has nothing to say.
type called struct{ take func() }

func (c *called) Take() ([][]byte, bool) { c.take(); return nil, false }
func (*called) Wrote(int)                {}
func (*called) Receive([]byte) Action    { return Go }
func (*called) Closed(error)             {}

func TestWhoeverIsToWriteIsSeenToWhileAWorkerWaitsToServeAFanOut(t *testing.T) {
	p := New(Config{Workers: 2, Timeout: time.Second, Linger: time.Second})
	w := p.workers[0]
	p.bulk <- struct{}{} // another one serves a large fan-out
	done := make(chan struct{})
	go func() { w.run(); close(done) }()
	taken := make(chan string, 3)
	wake := func(name string, bulk bool) {
		c := &Conn{worker: w, client: &called{func() { taken <- name }}}
		c.Wake(bulk)
	}
	next := func(want string) {
		t.Helper()
		select {
		case got := <-taken:
			if got != want {
				t.Fatalf("%s is seen to, want %s", got, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s is forgotten", want)
		}
	}
	look := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
			w.mu.Lock()
			yes := ok()
			w.mu.Unlock()
			if yes {
				return
			}
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	wake("the first of many", true)
	look("the worker does not look", func() bool { return len(w.bulk) == 0 })
	wake("one of few", false)
	next("one of few")
	wake("the second of many", true)
	look("the worker does not look again", func() bool { return len(w.bulk) == 1 && len(w.wake) == 0 })
	wake("another of few", false)
	next("another of few")
	<-p.bulk
	next("the first of many")
	next("the second of many")
	w.stop()
	<-done
	if len(p.bulk) != 0 {
		t.Error("the semaphore was not given back")
	}
}
