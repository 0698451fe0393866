package stage

import (
	"os"
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
