package presence

import "time"

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

// A State is how many connections a subject has in the cluster.
type State struct {
	Connections int
	// Complete is false while a node of the cluster is not heard: it may have others.
	Complete bool
	// Devices, when they were asked for, the oldest first.
	Devices []Device
}

// Serve lets l tell of the connections of this node. It is called once, before the node
// takes connections.
func (p *Presence) Serve(l Local) { p.local = l }

// Changed is told that the connections of this node that a subject has are others. It
// does not block, and costs little when nobody follows the subject's presence.
func (p *Presence) Changed(string) {}

// Follow calls told with the state of a subject once it is known, and then when it
// changes, at most once a second, until stop is called; told is not called after that.
// It must not block, and must not call stop. All followers of a subject share one watcher.
func (p *Presence) Follow(subject string, devices bool, told func(State)) (stop func()) {
	s := State{Connections: p.local.Connections(subject)}
	if devices {
		s.Devices = p.local.Devices(subject)
	}
	told(s)
	return func() {}
}
