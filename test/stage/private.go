package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

const (
	// inside is set in the environment of a test program that runs in namespaces
	// of its own.
	inside = "WEFT_STAGE_PRIVATE"
	// home is the address of the test program, and of what it starts for the
	// nodes to reach, in a private network. Places are in 10.77.0.0/24.
	home = "10.78.0.1"
)

// Private runs a test program in network and mount namespaces of its own, so that
// networks can be made and cut there and nothing of it shows outside or outlives
// the program, even one that is killed. TestMain gives it m.Run, and the function
// that has to be called before because it needs the world outside, which a private
// network does not reach; the binary is built in any case.
//
// Where namespaces cannot be had it says so on standard error and runs the tests
// without, unless CI=true: then it fails. HasNetwork tells the tests.
func Private(run func() int, before func(context.Context) error) int {
	if os.Getenv(inside) != "" {
		if err := furnish(); err != nil {
			fmt.Fprintf(os.Stderr, "stage: error: %v\n", err)
			return 1
		}
		return run()
	}
	defer RemoveBinary()
	err := possible()
	if err == nil {
		var code int
		if code, err = again(before); err == nil {
			return code
		}
	}
	if os.Getenv("CI") == "true" {
		fmt.Fprintf(os.Stderr, "stage: error: no private network: %v\n", err)
		return 1
	}
	fmt.Fprintf(os.Stderr, "stage: WARNING: no private network: %v; what cuts the network does not run\n"+
		"stage: hint: it takes Linux, root or unprivileged user namespaces, and the packages iproute2 and haproxy\n", err)
	return run()
}

// HasNetwork says whether this program runs in a private network.
func HasNetwork() bool { return os.Getenv(inside) != "" }

// Home is the address on which the nodes reach what the test program starts.
func Home() string {
	if HasNetwork() {
		return home
	}
	return "127.0.0.1"
}

// possible tries a private network out.
func possible() error {
	if runtime.GOOS != "linux" {
		return errors.New(runtime.GOOS + " has no namespaces")
	}
	if lookPath("ip") == "" {
		return errors.New("there is no ip command; the package iproute2 has it")
	}
	cmd := exec.Command("ip", "link", "add", "weft-try", "type", "veth")
	cmd.SysProcAttr = namespaces()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make a network namespace: %w %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// again runs this program in new namespaces and returns its exit code.
func again(before func(context.Context) error) (int, error) {
	binary, err := Binary()
	if err != nil {
		return 0, err
	}
	if before != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		if err := before(ctx); err != nil {
			return 0, err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"=1", "WEFT_BINARY="+binary, clockedBinary+"="+builtClocked())
	cmd.SysProcAttr = namespaces()
	// The death of the thread that started it would be taken for this program's.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	if cmd.ProcessState == nil {
		return 0, fmt.Errorf("run the tests in a private network: %w", err)
	}
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		return code, nil
	}
	fmt.Fprintf(os.Stderr, "stage: error: the tests ended: %v\n", err)
	return 1, nil
}

// ip runs ip(8) with each of the lines.
func ip(lines ...string) error {
	for _, line := range lines {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}
