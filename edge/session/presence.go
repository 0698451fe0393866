package session

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"weft/edge/problem"
	"weft/jetstream/presence"
	"weft/jetstream/subject"
)

// A Watch calls told with the state of a subject, user.<user> or topic.…, and then with
// each newer one, until stop; (*presence.Presence).Follow is one. With devices the state
// tells of each connection.
type Watch func(subject string, devices bool, told func(presence.State)) (stop func())

// retryPresence is when a frame is tried again for which an outbox had no room.
const retryPresence = time.Second

// presences are the subjects of presence that a session follows. Only a session that
// follows one has them.
type presences struct {
	session *Session
	watch   Watch

	mu     sync.Mutex
	list   []*followed
	closed bool
	again  *time.Timer // runs while a frame has found no room
}

// A followed is one of them. What is not said to be fixed is guarded by presences.mu.
type followed struct {
	of      *presences // fixed, as the next two are
	subject string     // presence.…
	devices bool       // are shown
	stop    func()     // nil until the watch has returned
	gone    bool       // nothing more is told of it
	last    []byte     // the newest state as JSON, nil until it is known
	frame   []byte     // as which the outbox took a state
	waits   bool       // the newest state has found no room
}

// checkPresence reports why s, a subject of presence, cannot be followed: nil when s is none.
func checkPresence(s string) (is bool, err error) {
	of, is := subject.Followed(s)
	switch {
	case !is:
		return false, nil
	case subject.CheckPattern(of) != nil:
		return true, problem.New(problem.BadSubject, "a subject of presence is presence.<user> or presence.topic.<token>…, other bytes than letters, digits, - and _ written =XX")
	case subject.IsPattern(of):
		return true, problem.New(problem.BadSubject, "presence is followed of one user or one topic each: name them instead of a wildcard")
	}
	return true, nil
}

func isPresence(s string) bool { return strings.HasPrefix(s, subject.Presence) }

// Events are those of some subjects that are not of presence.
func Events(subjects []string) []string {
	events, _ := split(subjects)
	return events
}

// Presences are those that are.
func Presences(subjects []string) []string {
	_, present := split(subjects)
	return present
}

// split parts subjects into those of events and those of presence. Without any of the
// latter the list itself is returned.
func split(subjects []string) (events, present []string) {
	if !slices.ContainsFunc(subjects, isPresence) {
		return subjects, nil
	}
	for _, s := range subjects {
		if isPresence(s) {
			present = append(present, s)
		} else {
			events = append(events, s)
		}
	}
	return events, present
}

// followPresence makes wanted the subjects of presence in force. One call at a time. It
// does nothing when the session has let go of what it follows.
func (s *Session) followPresence(wanted []string, watch Watch) {
	s.mu.Lock()
	p, devices := s.presence, s.identity.SeesDevices()
	if p == nil && len(wanted) > 0 && s.reader != nil {
		p = &presences{session: s, watch: watch}
		s.presence = p
	}
	s.mu.Unlock()
	if p != nil {
		p.set(wanted, devices)
	}
}

// Presence are the subjects of presence in force.
func (s *Session) Presence() []string {
	s.mu.Lock()
	p := s.presence
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	return p.subjects()
}

func (p *presences) subjects() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]string, len(p.list))
	for i, f := range p.list {
		list[i] = f.subject
	}
	return list
}

// set lets go of what is not wanted, or is to be told otherwise, and follows what is new.
// A watch is begun and stopped without the lock: both may wait for somebody who is telling.
func (p *presences) set(wanted []string, devices bool) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	var stops []func()
	p.list = slices.DeleteFunc(p.list, func(f *followed) bool {
		if f.devices == devices && slices.Contains(wanted, f.subject) {
			return false
		}
		f.gone = true
		stops = append(stops, f.stop)
		return true
	})
	var begin []*followed
	for _, s := range wanted {
		if !slices.ContainsFunc(p.list, func(f *followed) bool { return f.subject == s }) {
			f := &followed{of: p, subject: s, devices: devices}
			p.list, begin = append(p.list, f), append(begin, f)
		}
	}
	p.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
	for _, f := range begin {
		f.begin()
	}
}

func (f *followed) begin() {
	of, _ := subject.Followed(f.subject)
	stop := f.of.watch(of, f.devices, f.told)
	f.of.mu.Lock()
	f.stop = stop
	gone := f.gone
	f.of.mu.Unlock()
	if gone { // while the watch began
		stop()
	}
}

// close lets go of all.
func (p *presences) close() {
	p.mu.Lock()
	p.closed = true
	var stops []func()
	for _, f := range p.list {
		if f.gone = true; f.stop != nil { // else whoever begins it stops it
			stops = append(stops, f.stop)
		}
	}
	p.list = nil
	if p.again != nil {
		p.again.Stop()
	}
	p.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
}

// told is called with each newer state. It waits for nobody: what the outbox holds of an
// older one is replaced.
func (f *followed) told(st presence.State) {
	data := spellState(f.subject, st, f.devices)
	f.of.mu.Lock()
	defer f.of.mu.Unlock()
	if f.gone {
		return
	}
	f.last = data
	f.sendLocked()
}

func (f *followed) sendLocked() {
	frame := f.of.session.out.State(f.subject, f.last, f.frame)
	if f.waits = frame == nil; f.waits {
		f.of.againLocked()
		return
	}
	f.frame = frame
}

// againLocked tries again a little later.
func (p *presences) againLocked() {
	if p.again == nil {
		p.again = time.AfterFunc(retryPresence, p.retry)
	}
}

func (p *presences) retry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.again = nil
	if p.closed {
		return
	}
	for _, f := range p.list {
		if f.waits {
			f.sendLocked()
		}
	}
}

// maxDevices bounds the devices in a frame, and maxDeviceBytes what they take in it.
const (
	maxDevices     = 100
	maxDeviceBytes = 32 << 10
)

// presenceData is the data of weft.presence.
type presenceData struct {
	User        *string           `json:"user,omitempty"`
	Topic       *string           `json:"topic,omitempty"`
	Online      bool              `json:"online"`
	Connections int               `json:"connections"`
	Complete    *bool             `json:"complete,omitempty"`
	Devices     []json.RawMessage `json:"devices,omitempty"`
}

// spellState spells the data of weft.presence.
func spellState(s string, st presence.State, devices bool) []byte {
	data := presenceData{Online: st.Connections > 0, Connections: st.Connections}
	of, _ := subject.Followed(s)
	if topic, is := strings.CutPrefix(of, subject.Topic); is {
		data.Topic = &topic
	} else {
		data.User = new(subject.UserOf(of))
	}
	if !st.Complete {
		data.Complete = new(false)
	}
	if devices {
		n := 0
		for _, d := range st.Devices[:min(len(st.Devices), maxDevices)] {
			one, err := json.Marshal(d)
			if n += len(one) + 1; err != nil || n > maxDeviceBytes {
				break
			}
			data.Devices = append(data.Devices, one)
		}
	}
	out, _ := json.Marshal(data) // of strings, numbers and what was JSON before
	return out
}
