package child

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// said is written to by a process and read by a test.
type said chan string

func (s said) Write(b []byte) (int, error) {
	s <- string(b)
	return len(b), nil
}

// start runs a shell and waits for its first line.
func start(t *testing.T, script string) *Process {
	t.Helper()
	out := make(said, 10)
	p, err := Start("sh", out, "/bin/sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.End(0) })
	if line := <-out; line != "sh │ here\n" {
		t.Fatalf("said %q", line)
	}
	return p
}

func TestEndWaitsForAGoodbyeAndNoLonger(t *testing.T) {
	for _, c := range []struct {
		name, script string
		grace        time.Duration
		how          string
	}{
		{"one that hears", `trap "exit 3" TERM; echo here; while :; do sleep 0.05; done`, time.Minute, "exit status 3"},
		{"one that does not", `trap "" TERM; echo here; while :; do sleep 0.05; done`, 50 * time.Millisecond, "signal: killed"},
	} {
		p := start(t, c.script)
		p.End(c.grace)
		p.End(c.grace)
		if got := p.Err().Error(); got != c.how {
			t.Errorf("%s: %s, want %s", c.name, got, c.how)
		}
	}
}

func TestEndReachesAPausedProcess(t *testing.T) {
	p := start(t, `trap "exit 3" TERM; echo here; while :; do sleep 0.05; done`)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	p.End(time.Minute)
	if got := p.Err().Error(); got != "exit status 3" {
		t.Error(got)
	}
}

func TestAProcessThatIsGoneTakesNoSignal(t *testing.T) {
	p := start(t, `echo here`)
	<-p.Done()
	for _, do := range []func() error{p.Kill, p.Stop, p.Pause, p.Resume} {
		if err := do(); err == nil || !strings.Contains(err.Error(), "sh") {
			t.Errorf("error %v", err)
		}
	}
	p.End(time.Minute)
	if got := p.Err().Error(); got != "exit status 0" {
		t.Error(got)
	}
}
