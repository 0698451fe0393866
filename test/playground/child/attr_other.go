//go:build !linux

package child

import "syscall"

// attr leaves the child in our process group: without Linux's parent death
// signal, that is what ends it together with us.
func attr() *syscall.SysProcAttr { return nil }
