package stage

import (
	"fmt"
	"os"
	"syscall"
)

// namespaces are those of a program of which nothing is seen outside. Who is not
// root is it in a user namespace.
func namespaces() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if uid := os.Geteuid(); uid != 0 {
		a.Unshareflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	return a
}

// furnish makes empty namespaces a network's centre: it has an address, passes
// packets on, and has room for the names of further namespaces (ip-netns(8)
// keeps them in /run/netns).
func furnish() error {
	if err := syscall.Mount("weft-test", "/run", "tmpfs", 0, "size=1m"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	if err := os.Mkdir("/run/netns", 0o755); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("pass packets on: %w", err)
	}
	return ip("link set lo up", "addr add "+home+"/32 dev lo",
		// Rules that drop must come before the one for packets to this very host.
		"rule add pref 100 lookup local", "rule del pref 0")
}
