package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// awaitState blocks until m is in the state.
func awaitState(t *testing.T, m *member, state string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for m.condition().State != state {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s is %+v, want %s", m.Name, m.condition(), state)
		}
	}
}

// said is written to by a process and read by a test.
type said struct{ line chan string }

func (s said) Write(b []byte) (int, error) {
	s.line <- string(b)
	return len(b), nil
}

func TestANodeIsEndedPausedAndStartedAgain(t *testing.T) {
	out := said{make(chan string, 10)}
	binary := fakeNode(t, `trap "exit 0" TERM; echo here; while :; do sleep 0.05; done`)
	m := newMember(memberAddresses{Name: "n1"}, binary, "n1.yaml", out)
	defer m.Close()
	do := func(deed, state string) {
		t.Helper()
		if err := m.do(deed); err != nil {
			t.Fatal(err)
		}
		awaitState(t, m, state)
	}
	for _, end := range []struct{ deed, how string }{{doKill, "signal: killed"}, {doStop, "exit status 0"}} {
		do(doStart, stateUp)
		if line := <-out.line; line != "n1 │ here\n" { // the trap is set
			t.Fatalf("said %q", line)
		}
		do(doPause, statePaused)
		if err := m.do(doStop); !errors.Is(err, errState) {
			t.Errorf("stop what is paused: %v", err)
		}
		do(doResume, stateUp)
		do(end.deed, stateDown)
		if c := m.condition(); c.How != end.how || c.PID != 0 || strings.Join(c.Can, " ") != doStart {
			t.Errorf("after %s: %+v", end.deed, c)
		}
	}
	if err := m.do("fly"); !errors.Is(err, errState) {
		t.Errorf("fly: %v", err)
	}
	do(doStart, stateUp)
	do(doPause, statePaused) // Close ends it all the same
}

func TestANodeThatIsNotThereIsTold(t *testing.T) {
	m := newMember(memberAddresses{Name: "n1"}, "/nowhere/weft", "n1.yaml", t.Output())
	if err := m.do(doStart); err == nil || errors.Is(err, errState) {
		t.Errorf("start: %v", err)
	}
	if m.running() != nil || m.condition().State != stateDown {
		t.Errorf("condition %+v", m.condition())
	}
}
