package session

import (
	"strings"

	"weft/jetstream/feed"
	"weft/jetstream/presence"
	"weft/jetstream/subject"
)

// Topics knows which connections of the node follow a topic by its name; *feed.Hub does.
type Topics interface {
	// Followers is how many they are.
	Followers(topic string) int
	// Receivers are some of them, at most limit, which Session.Receiver has made.
	Receivers(topic string, limit int) []feed.Receiver
}

// Local is what a node tells others of its sessions: it is the presence.Local of a node.
type Local struct {
	Registry *Registry
	Topics   Topics
}

// Connections implements presence.Local.
func (l *Local) Connections(s string) int {
	if strings.HasPrefix(s, subject.Topic) {
		return l.Topics.Followers(s)
	}
	return l.Registry.CountOf(subject.UserOf(s))
}

// Devices implements presence.Local. Of very many it tells of some: a frame has no room
// for more.
func (l *Local) Devices(s string) []presence.Device {
	var devices []presence.Device
	if strings.HasPrefix(s, subject.Topic) {
		for _, r := range l.Topics.Receivers(s, maxDevices) {
			if r, ok := r.(*receiver); ok {
				devices = append(devices, (*Session)(r).device())
			}
		}
		return devices
	}
	list := l.Registry.OfUser(subject.UserOf(s))
	for _, one := range list[:min(len(list), maxDevices)] {
		devices = append(devices, one.device())
	}
	return devices
}

// device is what others may know of the connection: no address.
func (s *Session) device() presence.Device {
	d := presence.Device{ID: s.about.ID, Node: s.about.Node, Transport: s.about.Transport, Since: s.about.Since, Agent: s.about.Agent}
	if s.about.Device != nil {
		d.Name = *s.about.Device
	}
	return d
}
