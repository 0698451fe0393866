package presence

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A diary is what a follower was told, and when.
type diary struct {
	t     *testing.T
	begun time.Time
	stop  func()

	mu      sync.Mutex
	told    []string // nil: nothing yet
	last    State
	at      time.Time
	stopped bool
	// check is called with all that is told; it may be nil.
	check func(before, now State, first bool)
}

// follow writes down what is told of a subject; it fails when that is more than once a
// second, or twice the same.
func (n *testNode) follow(t *testing.T, s string, devices bool) *diary {
	d := &diary{t: t, begun: time.Now()}
	stop := n.Follow(s, devices, d.tell)
	d.stop = func() {
		stop()
		d.mu.Lock()
		defer d.mu.Unlock()
		d.stopped = true
	}
	return d
}

func (d *diary) tell(s State) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if d.stopped {
		d.t.Errorf("told %+v after it has stopped", s)
	}
	if d.told != nil {
		if now.Sub(d.at) < time.Second {
			d.t.Errorf("told %+v only %v after %+v", s, now.Sub(d.at), d.last)
		}
		if d.last.Connections == s.Connections && d.last.Complete == s.Complete && fmt.Sprint(d.last.Devices) == fmt.Sprint(s.Devices) {
			d.t.Errorf("told twice: %+v", s)
		}
	}
	if d.check != nil {
		d.check(d.last, s, d.told == nil)
	}
	d.last, d.at = s, now
	text := fmt.Sprint(s.Connections)
	if !s.Complete {
		text += "?"
	}
	for _, device := range s.Devices {
		text += " " + device.ID
	}
	d.told = append(d.told, text)
}

// after returns what was told since it was called last, after a time.
func (d *diary) after(pause time.Duration) string {
	time.Sleep(pause)
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	told := strings.Join(d.told, ", ")
	if d.told != nil {
		d.told = []string{}
	}
	return told
}

// state is what was told last.
func (d *diary) state() State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// expect fails unless exactly that is told within a time.
func (d *diary) expect(within time.Duration, want string) {
	d.t.Helper()
	if got := d.after(within); got != want {
		d.t.Errorf("%v after the beginning: told %q, want %q", time.Since(d.begun), got, want)
	}
}
