package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// What a visitor can do to a node.
const (
	doKill   = "kill"   // SIGKILL: a crash
	doStop   = "stop"   // SIGTERM: a planned stop, with goodbyes
	doPause  = "pause"  // SIGSTOP: a machine that hangs
	doResume = "resume" // SIGCONT
	doStart  = "start"  // on the folder that it had
)

// States of a member's process.
const (
	stateUp       = "up"
	stateStopping = "stopping"
	statePaused   = "paused"
	stateDown     = "down"
)

// deeds says in which states each of them can be done.
var deeds = map[string][]string{
	doKill:   {stateUp, stateStopping, statePaused},
	doStop:   {stateUp},
	doPause:  {stateUp},
	doResume: {statePaused},
	doStart:  {stateDown},
}

// errState is wrapped when a deed does not fit the state of a member.
var errState = errors.New("not possible now")

// A member is a place in the cluster: a node that may be ended and started again
// on the same folder. Its methods may be called concurrently.
type member struct {
	memberAddresses
	binary, file string
	out          io.Writer
	watching     sync.WaitGroup

	mu    sync.Mutex
	node  *node // the running process, or the last one
	state string
	how   string // how the last process ended, when it is down
}

// newMember makes a member that is down.
func newMember(a memberAddresses, binary, file string, out io.Writer) *member {
	return &member{memberAddresses: a, binary: binary, file: file, out: out, state: stateDown}
}

// do changes the state of the process. It returns when that has begun.
func (m *member) do(deed string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Contains(deeds[deed], m.state) {
		return fmt.Errorf("%s %s, which is %s: %w", deed, m.Name, m.state, errState)
	}
	switch deed {
	case doKill:
		return m.node.Kill() // that it is down is known when it has ended
	case doStop:
		return m.become(stateStopping, m.node.Stop())
	case doPause:
		return m.become(statePaused, m.node.Pause())
	case doResume:
		return m.become(stateUp, m.node.Resume())
	default:
		return m.start()
	}
}

// become sets the state unless err says that it did not come to it.
func (m *member) become(state string, err error) error {
	if err == nil {
		m.state = state
	}
	return err
}

func (m *member) start() error {
	n, err := startNode(m.Name, m.binary, m.file, m.Admin, m.out)
	if err != nil {
		return err
	}
	m.node, m.state, m.how = n, stateUp, ""
	m.watching.Go(func() {
		<-n.Done()
		m.mu.Lock()
		defer m.mu.Unlock()
		m.state, m.how = stateDown, n.Err().Error()
	})
	return nil
}

// running is the process, nil when the member is down.
func (m *member) running() *node {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state == stateDown {
		return nil
	}
	return m.node
}

// answers is whether the process can be asked something.
func (m *member) answers() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state == stateUp || m.state == stateStopping
}

// awaitReady blocks until the member's node is ready.
func (m *member) awaitReady(ctx context.Context) error {
	n := m.running()
	if n == nil {
		return fmt.Errorf("wait for %s to be ready: %w", m.Name, errState)
	}
	return n.awaitReady(ctx)
}

// A condition is what is known of a member's process.
type condition struct {
	State string `json:"state"`
	How   string `json:"how,omitempty"` // how it ended
	PID   int    `json:"pid,omitempty"` // while it runs
	// Can lists what can be done now.
	Can []string `json:"can"`
}

func (m *member) condition() condition {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := condition{State: m.state, How: m.how}
	if m.state != stateDown {
		c.PID = m.node.PID()
	}
	for _, deed := range []string{doKill, doStop, doPause, doResume, doStart} {
		if slices.Contains(deeds[deed], m.state) {
			c.Can = append(c.Can, deed)
		}
	}
	return c
}

// Close kills the process, since its folder goes with it, and waits. It may be
// called twice.
func (m *member) Close() error {
	if n := m.running(); n != nil {
		_ = n.Kill() // it may have ended meanwhile
		<-n.Done()
		n.http.CloseIdleConnections()
	}
	m.watching.Wait()
	return nil
}
