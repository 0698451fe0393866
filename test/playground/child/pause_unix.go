//go:build unix

package child

import "syscall"

// Pause stops the process where it is, as a machine does that hangs: its
// connections stay open and nobody answers on them.
func (p *Process) Pause() error { return p.signal("pause", syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() error { return p.signal("resume", syscall.SIGCONT) }
