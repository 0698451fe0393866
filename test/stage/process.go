// Package stage sets up what the end-to-end tests play on: the built weft
// binary, an Apache Kafka broker, tokens, a TCP relay that can cut connections
// and a small disk. Everything that it starts ends with the test, also when the
// test program is killed.
package stage

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// keptLines bounds what is kept of a process's output: the first ones, which
// tell how it started, and as many of the last.
const keptLines = 2000

// A Process is a child process in a process group of its own.
type Process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}

	mu      sync.Mutex
	head    []string
	tail    []string
	err     error
	changed chan struct{} // closed and replaced with each line and at the end
}

// spawner starts processes on one thread that lives as long as the program: the
// kernel sends the parent-death signal when the thread that forked ends, not when
// the process does (prctl(2), PR_SET_PDEATHSIG).
var spawner = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// StartProcess starts a command with its output captured line by line.
func StartProcess(name string, cmd *exec.Cmd) (*Process, error) {
	p := &Process{name: name, cmd: cmd, done: make(chan struct{}), changed: make(chan struct{})}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = in, in
	cmd.SysProcAttr = mortal()
	started := make(chan error)
	spawner() <- func() { started <- cmd.Start() }
	err = <-started
	in.Close()
	if err != nil {
		out.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer out.Close()
		p.capture(out)
	}()
	go func() {
		err := cmd.Wait()
		// A grandchild may hold the pipe open; what the process itself wrote is there.
		select {
		case <-read:
		case <-time.After(time.Second):
		}
		p.mu.Lock()
		p.err = err
		close(p.done)
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
	}()
	return p, nil
}

func (p *Process) capture(out io.Reader) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if line = strings.TrimRight(line, "\n"); line != "" {
			p.mu.Lock()
			if len(p.head) < keptLines {
				p.head = append(p.head, line)
			} else {
				if len(p.tail) >= 2*keptLines {
					p.tail = slices.Clone(p.tail[keptLines:])
				}
				p.tail = append(p.tail, line)
			}
			close(p.changed)
			p.changed = make(chan struct{})
			p.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

// Output is what has been captured, oldest first.
func (p *Process) Output() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Concat(p.head, p.tail)
}

// AwaitLine returns the first line for which ok holds. It fails when the process
// or the context ends without one.
func (p *Process) AwaitLine(ctx context.Context, ok func(line string) bool) (string, error) {
	for {
		ended := p.Ended() // asked first: then the lines below are all there are
		p.mu.Lock()
		lines, changed := slices.Concat(p.head, p.tail), p.changed
		p.mu.Unlock()
		if i := slices.IndexFunc(lines, ok); i >= 0 {
			return lines[i], nil
		}
		if ended {
			return "", fmt.Errorf("%s ended (%v) with the output:\n%s", p.name, p.err, strings.Join(lines, "\n"))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", fmt.Errorf("%s: %w; output so far:\n%s", p.name, ctx.Err(), strings.Join(lines, "\n"))
		}
	}
}

// Ended says whether the process is gone.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Wait waits for the end and returns the exit code, -1 when a signal ended it.
func (p *Process) Wait(ctx context.Context) (int, error) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("%s is still running: %w", p.name, ctx.Err())
	}
}

// Signal sends a signal to the process itself.
func (p *Process) Signal(sig syscall.Signal) error { return p.cmd.Process.Signal(sig) }

// Kill ends the whole process group with SIGKILL and waits for it.
func (p *Process) Kill() {
	if !p.Ended() {
		KillGroup(p.cmd.Process)
	}
	<-p.done
}

// RSS is the resident memory in bytes.
func (p *Process) RSS() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no VmRSS in the status of %s", p.name)
}

// Files is how many descriptors the process has open.
func (p *Process) Files() (int, error) {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	return len(open), err
}

// CPU is the processor time, user and system, that the process has used. The
// kernel counts it in ticks of 10 ms (proc(5), fields 14 and 15 of stat).
func (p *Process) CPU() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The second field is the name in parentheses, which may hold anything.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}
