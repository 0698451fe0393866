//go:build !linux

package stage

import (
	"errors"
	"os"
	"syscall"
)

// OwnGroup leaves a process in ours: a Ctrl-C ends it with us.
func OwnGroup() *syscall.SysProcAttr { return nil }

func mortal() *syscall.SysProcAttr { return nil }

// KillGroup ends the process alone.
func KillGroup(p *os.Process) { _ = p.Kill() }

// Pause is there on Linux.
func (p *Process) Pause() error { return errors.ErrUnsupported }

// Resume is there on Linux.
func (p *Process) Resume() error { return errors.ErrUnsupported }

// Pause is there on Linux.
func (p *Place) Pause() error { return errors.ErrUnsupported }

// Resume is there on Linux.
func (p *Place) Resume() error { return errors.ErrUnsupported }
