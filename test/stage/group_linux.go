package stage

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// OwnGroup is for a process that KillGroup ends with all that it started.
func OwnGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// mortal is OwnGroup, and the process ends when the thread that started it does.
func mortal() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// KillGroup ends a process with its group, whose id is the process's; it must not have
// been waited for.
func KillGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

// Pause stops a process until Resume.
func (p *Process) Pause() error { return p.Signal(syscall.SIGSTOP) }

// Resume lets a process go on that was paused.
func (p *Process) Resume() error { return p.Signal(syscall.SIGCONT) }

// Pause stops all processes of the place until Resume, as a machine stands still that sleeps.
func (p *Place) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume lets the processes of the place go on.
func (p *Place) Resume() error { return p.signal(syscall.SIGCONT) }

func (p *Place) signal(sig syscall.Signal) error {
	out, err := exec.Command("ip", "netns", "pids", p.name()).Output()
	if err != nil {
		return fmt.Errorf("list the processes of %s: %w", p.name(), err)
	}
	for _, pid := range strings.Fields(string(out)) {
		n, err := strconv.Atoi(pid)
		if err != nil {
			return err
		}
		// One that has ended meanwhile needs no signal.
		if err := syscall.Kill(n, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal process %d of %s: %w", n, p.name(), err)
		}
	}
	return nil
}
