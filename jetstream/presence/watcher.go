package presence

import (
	"slices"
	"time"
)

const (
	// linger is for how long a watcher stays that nobody follows any more: those who poll
	// come back.
	linger = 5 * time.Second
	// patience is how many questions a node may leave unanswered until the first state is
	// told without it. Later that is held back like a fall.
	patience = 3
)

// A watcher adds up what the nodes say of a subject. All but what tells is guarded by the
// mutex of watchers.
type watcher struct {
	subject string
	entries []entry
	face    face
	// drop ends the subscription for hints; nil: there is none yet.
	drop func()
	// queued is set while it waits for its turn to ask; asked counts the questions.
	queued  bool
	asked   int
	again   time.Time // when to ask again; zero: when all are asked
	lagging bool      // some followers were told something else less than a second ago
	gone    bool

	follows int       // followers
	devices int       // of these: those that want devices
	idle    time.Time // since when nobody follows
	list    list      // of devices

	due   time.Time // when to look at it; see queue
	place int       // in the queue; -1: in none

	tell teller
}

// An entry is what a node has said of the subject.
type entry struct {
	peer        *peer
	epoch       int  // of the peer, when it last answered; 0: it has not
	silent      bool // it has not answered the last question
	run         string
	seq         uint64
	connections int
	devices     []Device
}

// of is the entry of a peer, which is made if there is none.
func (w *watcher) of(p *peer) *entry {
	i := slices.IndexFunc(w.entries, func(e entry) bool { return e.peer == p })
	if i < 0 {
		i = len(w.entries)
		w.entries = append(w.entries, entry{peer: p})
	}
	return &w.entries[i]
}

// forget takes away what nodes have said that are not linked any more.
func (w *watcher) forget() {
	w.entries = slices.DeleteFunc(w.entries, func(e entry) bool { return e.peer.gone })
}

// take takes in a count that the process of a peer has said, unless it said a newer one,
// and reports whether that is so.
func (w *watcher) take(p *peer, seq uint64, connections int) (newer bool) {
	e := w.of(p)
	if newer = e.run != p.run || e.seq < seq; newer {
		e.run, e.seq, e.connections = p.run, seq, connections
	}
	return newer
}

// count adds up. unheard is whether some peer that is linked has yet to answer.
func (w *watcher) count(l *links) (c count, unheard bool) {
	heard := 0
	for i := range w.entries {
		e := &w.entries[i]
		c.connections += e.connections
		if e.epoch == e.peer.epoch && !e.silent {
			heard++
		}
	}
	c.complete = heard == len(l.peers) && len(l.peers)+l.dead >= l.members
	return c, heard < len(l.peers)
}
