package presence

import (
	"context"
	"sync"
	"time"

	"weft/jetstream/subject"
)

// A Local is what a node knows of its own connections. Its methods may be called
// concurrently and must not block.
type Local interface {
	// Connections is how many connections of this node a subject has: of a user's inbox
	// the user's own, of a topic those that follow it by its name.
	Connections(subject string) int
	// Devices tells of these connections.
	Devices(subject string) []Device
}

// A Device is a connection as those may see it who follow its user or topic.
type Device struct {
	ID        string    `json:"id"`
	Node      string    `json:"node"`
	Transport string    `json:"transport"`
	Since     time.Time `json:"since"`
	Agent     string    `json:"agent"`
	Name      string    `json:"device,omitempty"` // as its client calls itself
}

// MaxDevices bounds of how many connections a State tells.
const MaxDevices = 100

// A State is how many connections a subject has in the cluster.
type State struct {
	Connections int
	// Complete is false while a node of the cluster is not heard: it may have others.
	Complete bool
	// Devices, when they were asked for, the oldest first; at most MaxDevices. They are
	// those of all followers and must not be changed.
	Devices []Device
}

// Serve lets l tell of the connections of this node, which has none until then. It is
// called once, before the node takes connections.
func (p *Presence) Serve(l Local) { p.local.Store(&l) }

// Changed is told that the connections of this node that a subject has are others than
// before; Local must know them by then. It does not block, and costs a look at who
// subscribes when nobody follows the subject's presence.
func (p *Presence) Changed(s string) {
	if p.watchers.has(s) || p.p.Subscribed(subject.PresenceOf(s)) {
		p.hints.add(s, p.connections(s))
	}
}

// Follow calls told with the state of an exact, canonical subject once it is known, within
// a second, and then when it changes, at most once a second, until stop is called; told is
// not called after that. told is called by another goroutine, never before Follow has
// asked for it, but perhaps before Follow returns. It must not block; neither may it call
// stop, nor wait for a lock that is held when stop is called. All followers of a subject
// share one watcher, with and without devices. stop may be called again.
func (p *Presence) Follow(s string, devices bool, told func(State)) (stop func()) {
	return p.watchers.follow(s, &follower{told: told, devices: devices})
}

// Run hears and sends hints, and tells followers, until ctx ends.
func (p *Presence) Run(ctx context.Context) {
	var tasks sync.WaitGroup
	tasks.Go(func() { p.bus.Run(ctx, p.watchers.heard) })
	tasks.Go(func() { p.askLoop(ctx) })
	tasks.Go(func() { p.knockLoop(ctx) })
	p.tellLoop(ctx)
	tasks.Wait()
}

// connections is how many connections of this node a subject has.
func (p *Presence) connections(s string) int {
	if l := p.local.Load(); l != nil {
		return (*l).Connections(s)
	}
	return 0
}

func (p *Presence) devices(s string) []Device {
	l := p.local.Load()
	if l == nil {
		return nil
	}
	return oldest((*l).Devices(s))
}
