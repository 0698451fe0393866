package presence

import (
	"context"
	"sync"
	"time"
)

// A follower is told of the state of a subject. All but its making is guarded by the
// mutex of its teller.
type follower struct {
	told    func(State)
	devices bool

	place   int  // in one of the teller's lists; -1: it has stopped
	waiting bool // it is among the new ones
	at      time.Time
	knows   count
	version int // of the devices that it knows
}

// A teller tells the followers of a subject, each at most once a second, and none that
// has stopped. One goroutine tells, all else may be called concurrently.
type teller struct {
	mu        sync.Mutex
	new       []*follower // were not told anything yet
	followers []*follower
}

func (t *teller) add(f *follower) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f.waiting, f.place = true, len(t.new)
	t.new = append(t.new, f)
}

// remove returns once f is not being told. It reports whether f was there.
func (t *teller) remove(f *follower) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.place < 0 {
		return false
	}
	if f.waiting {
		t.new = without(t.new, f)
	} else {
		t.followers = without(t.followers, f)
	}
	f.place = -1
	return true
}

// without takes out f by putting the last one in its place.
func without(list []*follower, f *follower) []*follower {
	last := len(list) - 1
	list[f.place] = list[last]
	list[f.place].place = f.place
	list[last] = nil
	return list[:last]
}

// A notice is what followers are to know.
type notice struct {
	count
	devices []Device
	version int
	listed  bool // devices are known
	all     bool // not only new followers may not know it
}

// tell tells those that do not know it, and returns when to do so again, because some were
// told something else a moment ago; zero: not at all.
func (t *teller) tell(n notice, now time.Time) (again time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n.all {
		for _, f := range t.followers {
			if f.knows == n.count && (!f.devices || f.version == n.version) {
				continue
			}
			if due := f.at.Add(every); now.Before(due) {
				again = sooner(again, due)
				continue
			}
			f.tell(n, now)
		}
	}
	waiting := t.new[:0]
	for _, f := range t.new {
		if f.devices && !n.listed {
			f.place = len(waiting)
			waiting = append(waiting, f)
			continue
		}
		f.tell(n, now)
		f.waiting, f.place = false, len(t.followers)
		t.followers = append(t.followers, f)
	}
	clear(t.new[len(waiting):])
	if t.new = waiting; len(waiting) == 0 {
		t.new = nil
	}
	return again
}

func (f *follower) tell(n notice, now time.Time) {
	f.at, f.knows, f.version = now, n.count, n.version
	s := State{Connections: n.connections, Complete: n.complete}
	if f.devices {
		s.Devices = n.devices
	}
	f.told(s)
}

// tellLoop does what is due, until ctx ends.
func (p *Presence) tellLoop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-p.hints.wake:
		case <-p.watchers.wake:
		}
		now := time.Now()
		p.watchers.lookAround(now)
		next := p.sendHints(now)
		next = sooner(next, p.watchers.tellDue(now))
		wait := time.Hour
		if !next.IsZero() {
			wait = time.Until(next)
		}
		timer.Reset(max(wait, time.Millisecond))
	}
}
