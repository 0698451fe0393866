package presence

import (
	"math/rand/v2"
	"time"
)

const (
	// lookEvery is how often the links are looked at while something is watched.
	lookEvery = 250 * time.Millisecond
	// askEvery is how often all is asked again, give or take a fifth: what is wrong for a
	// reason that nobody thought of is not so for long.
	askEvery = 30 * time.Second
	// relinked is when all is asked for a second time after a node was linked: it hears
	// what this one subscribes to once the link is made, and may have had hints before.
	relinked = 2 * time.Second
)

// A peer is a node that there is a link to, this one included.
type peer struct {
	link  uint64
	epoch int    // counts its links, from 1
	run   string // of its process, as its last answer said; "": it has not answered since it was linked
	gone  bool

	ip      string // where the other end of its link is
	address string // where it is to be found when there is no link; empty: that is not known
	placed  int    // the epoch in which it was asked for that
	stays   bool   // its links end, but not its process
}

// links are the peers by name, and how many nodes the cluster has.
type links struct {
	peers   map[string]*peer
	members int
	dead    int                  // how many of these have ended
	lost    map[string]*lostNode // by name
	looked  time.Time            // when they were last looked at
	all     time.Time            // when to ask all
}

func newLinks(self string) links {
	return links{peers: map[string]*peer{self: {epoch: 1}}, members: 1, lost: map[string]*lostNode{}}
}

// nextLook is when the links are to be looked at, or another time that is sooner; zero:
// nothing is watched.
func (ws *watchers) nextLook(or time.Time) time.Time {
	if len(ws.by) == 0 {
		return or
	}
	return sooner(or, ws.links.looked.Add(lookEvery))
}

// lookAround looks at the links, if something is watched and it is time to.
func (ws *watchers) lookAround(now time.Time) {
	ws.mu.Lock()
	idle := len(ws.by) == 0 || now.Before(ws.links.looked.Add(lookEvery))
	ws.mu.Unlock()
	if !idle {
		ws.look(now)
	}
}

// look takes in which nodes are linked now. Counts of those that are not are gone, and all
// is asked for when one is linked anew.
func (ws *watchers) look(now time.Time) {
	ws.looking.Lock()
	defer ws.looking.Unlock()
	linked, members := ws.p.Links(), ws.p.Members()
	ws.mu.Lock()
	defer ws.mu.Unlock()
	fewer, more := ws.links.saw(linked, ws.p.Node, now)
	if fewer {
		nudge(ws.knocking)
	}
	dead := ws.links.ended(ws.p.Member)
	other := fewer || more || members != ws.links.members || dead != ws.links.dead
	ws.links.members, ws.links.dead, ws.links.looked = members, dead, now
	switch {
	case more:
		ws.links.all = now.Add(relinked)
		ws.askAllLocked()
	case !now.Before(ws.links.all):
		ws.links.all = now.Add(askEvery*4/5 + rand.N(askEvery*2/5))
		ws.askAllLocked()
	}
	if other {
		for _, w := range ws.by {
			w.forget()
			ws.sawLocked(w, now)
		}
	}
}

// saw reports whether peers are gone, and whether some are linked anew.
func (l *links) saw(linked map[string]Link, self string, now time.Time) (fewer, more bool) {
	for name, p := range l.peers {
		if _, ok := linked[name]; !ok && name != self {
			fewer = true
			l.lose(name, p, now)
			delete(l.peers, name)
		}
	}
	for name, link := range linked {
		delete(l.lost, name)
		switch p := l.peers[name]; {
		case name == self:
		case p == nil:
			l.peers[name], more = &peer{link: link.ID, ip: link.IP, epoch: 1}, true
		case p.link != link.ID:
			p.link, p.ip, p.run, p.address, p.stays, more = link.ID, link.IP, "", "", false, true
			p.epoch++
		}
	}
	return fewer, more
}

// missed is called when hints may have been lost.
func (ws *watchers) missed() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.askAllLocked()
}
