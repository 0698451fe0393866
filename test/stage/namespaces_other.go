//go:build !linux

package stage

import (
	"errors"
	"syscall"
)

func namespaces() *syscall.SysProcAttr { return nil }

func furnish() error { return errors.ErrUnsupported }
