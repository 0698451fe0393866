package deploy

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"weft/test/stage"
)

const unit = "../../deploy/weft.service"

// exposureLimit is the most that systemd-analyze may find, of 10.
const exposureLimit = 2.5

func TestTheUnitGivesTheNodeLittleToAbuse(t *testing.T) {
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", unit).CombinedOutput()
	if err != nil {
		t.Fatalf("%v (test/scripts/prepare.sh installs systemd-analyze)\n%s", err, out)
	}
	found := regexp.MustCompile(`Overall exposure level for weft.service: ([0-9.]+)`).FindSubmatch(out)
	if found == nil {
		t.Fatalf("no level in:\n%s", out)
	}
	level, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil || level >= exposureLimit {
		t.Errorf("exposure %s, %v; it must be below %v\n%s", found[1], err, exposureLimit, out)
	}
}

// What the unit takes away is nothing that the node needs: systemd boots with it,
// in a root of its own.
func TestTheUnitRuns(t *testing.T) {
	for name, c := range map[string]struct{ dropIn, listen string }{
		"as it is": {"", ":4000"},
		// The one that the unit's comment names.
		"with the drop-in for a low port": {dropIn(t), ":443"},
	} {
		t.Run(name, func(t *testing.T) {
			have := boot(t, c.dropIn, c.listen)
			for _, want := range []string{"ready", "runs as a user of its own", "system calls are filtered", "delivered",
				"keeps its data in /var/lib/weft", "ended with success", "ready again", "delivered after a restart"} {
				if !strings.Contains(have, want+"\n") {
					t.Errorf("not found: %s", want)
				}
			}
		})
	}
}

// dropIn is the one in the unit's comment.
func dropIn(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^#   (.*)$`).FindAllStringSubmatch(string(text), -1)
	if len(lines) < 3 {
		t.Fatal("the unit names no drop-in")
	}
	out := ""
	for _, l := range lines {
		out += l[1] + "\n"
	}
	return out
}

// namespaces are those of a machine, for unshare(1).
var namespaces = []string{"-m", "-p", "-f", "-n", "-u", "-i", "-C", "--kill-child"}

// cannot ends a test that this machine does not let run; with CI=true it fails.
func cannot(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// boot runs systemd with the unit and returns what the probe found.
func boot(t *testing.T, dropIn, listen string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("run the tests as root to have this one")
	}
	if out, err := exec.Command("unshare", append(namespaces, "true")...).CombinedOutput(); err != nil {
		cannot(t, "make namespaces: %v %s", err, out)
	}
	binary, err := stage.Binary()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	write := func(name string, text []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, path := range map[string]string{"weft": binary, "weft.service": unit, "probe.sh": "probe.sh"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write(name, text)
	}
	if dropIn != "" {
		write("drop-in.conf", []byte(dropIn))
	}
	write("weft.yaml", fmt.Appendf(nil, `
node: {name: n1, data_dir: /var/lib/weft}
public: {listen: "%s", drain_window: 0s}
auth: {issuers: [{keys: [{alg: HS256, secret: 0123456789abcdef0123456789abcdef}]}]}
`, listen))

	group := newControlGroup(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", append(namespaces, "sh", "boot.sh", folder)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err = cmd.Run()
	have, _ := os.ReadFile(filepath.Join(folder, "found"))
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(folder, "probe.log"))
			kmsg, _ := os.ReadFile(filepath.Join(folder, "kmsg"))
			t.Logf("systemd said:\n%s%s\nthe probe said:\n%s", said.Bytes(), kmsg, log)
		}
	})
	if err != nil {
		t.Errorf("boot: %v", err)
	}
	return string(have)
}

// newControlGroup makes a control group (version 2) that is gone with the test;
// systemd has to have one for itself.
func newControlGroup(t *testing.T) *os.File {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	at := regexp.MustCompile(`(?m)^\S+ \S+ \S+ / (\S+) .* - cgroup2 `).FindSubmatch(mounts)
	own := regexp.MustCompile(`(?m)^0::(/.*)$`).FindSubmatch(groups)
	if at == nil || own == nil {
		cannot(t, "there are no control groups of version 2 here")
	}
	path, err := os.MkdirTemp(filepath.Join(string(at[1]), string(own[1])), "weft-test-")
	if err != nil {
		cannot(t, "make a control group: %v", err)
	}
	t.Cleanup(func() { removeGroup(t, path) })
	group, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { group.Close() })
	return group
}

// removeGroup removes a control group and those below it, once their processes are
// gone.
func removeGroup(t *testing.T, path string) {
	below, err := os.ReadDir(path)
	if err != nil {
		t.Errorf("remove a control group: %v", err)
	}
	for _, b := range below {
		if b.IsDir() {
			removeGroup(t, filepath.Join(path, b.Name()))
		}
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(30 * time.Second); ; {
		err := syscall.Rmdir(path)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Errorf("remove control group %s: %v", path, err)
			return
		}
	}
}
