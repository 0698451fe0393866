package child

import "syscall"

// attr puts the child into a process group of its own, so that Ctrl-C reaches
// it once, through us, and not as the second signal that ends it without a
// goodbye. Should we be killed, the kernel ends the child.
func attr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
