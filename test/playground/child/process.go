// Package child runs programs that end with the playground, however it ends.
// What they write is shown line by line, marked with a name.
package child

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// leaveOutput bounds how long the output of a process that has ended is waited
// for: what it started itself may hold it open.
const leaveOutput = time.Second

// A Process is a running program. Its methods may be called concurrently.
type Process struct {
	name  string
	cmd   *exec.Cmd
	done  chan struct{}
	ended error // set before done is closed
}

// Start runs the program at path. Each line of its output goes to out with name
// before it, in one write. The process must be ended by End.
func Start(name string, out io.Writer, path string, args ...string) (*Process, error) {
	p := &Process{name: name, cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.SysProcAttr = attr()
	p.cmd.WaitDelay = leaveOutput
	r, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		mark(out, r, name)
	}()
	go func() {
		defer close(p.done)
		p.ended = p.cmd.Wait()
		_ = w.Close() // a pipe in memory: it cannot fail
		<-logged
	}()
	return p, nil
}

// mark copies r to w with name before each line.
func mark(w io.Writer, r io.Reader, name string) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		fmt.Fprintf(w, "%s │ %s\n", name, s.Bytes())
	}
	_, _ = io.Copy(io.Discard, r) // a line too long must not block the process
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the process ended, after Done is closed. It is never nil.
func (p *Process) Err() error {
	if p.ended == nil {
		return errors.New("exit status 0")
	}
	return p.ended
}

// Kill ends the process at once, as a crash does.
func (p *Process) Kill() error { return p.signal("kill", os.Kill) }

// Stop asks the process to end; it takes the time that it needs.
func (p *Process) Stop() error { return p.signal("stop", syscall.SIGTERM) }

func (p *Process) signal(verb string, s os.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("%s %s: %w", verb, p.name, err)
	}
	return nil
}

// End asks the process to end, kills it when that takes longer than grace, and
// waits. It may be called twice.
func (p *Process) End(grace time.Duration) {
	_ = p.Stop()   // one that is gone already has
	_ = p.Resume() // one that is paused would not hear
	select {
	case <-p.done:
	case <-time.After(grace):
		_ = p.Kill()
		<-p.done
	}
}
