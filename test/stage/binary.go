package stage

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

var built struct {
	sync.Mutex
	path, dir, clocked string
}

// Binary is the weft binary under test: the one that WEFT_BINARY names, else it
// is built, once per test program.
func Binary() (string, error) {
	if path := os.Getenv("WEFT_BINARY"); path != "" {
		return filepath.Abs(path)
	}
	built.Lock()
	defer built.Unlock()
	if built.path != "" {
		return built.path, nil
	}
	if built.dir == "" {
		dir, err := os.MkdirTemp("", "weft-binary-")
		if err != nil {
			return "", err
		}
		built.dir = dir
	}
	path := filepath.Join(built.dir, "weft")
	if out, err := exec.Command("go", "build", "-o", path, "weft/cmd/weft").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build weft: %w\n%s", err, out)
	}
	built.path = path
	return path, nil
}

// RemoveBinary removes what Binary and ClockedBinary built. TestMain calls it at the end.
func RemoveBinary() {
	built.Lock()
	defer built.Unlock()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
}

// builtClocked is what ClockedBinary returns if it was called, else "".
func builtClocked() string {
	built.Lock()
	defer built.Unlock()
	return cmp.Or(os.Getenv(clockedBinary), built.clocked)
}

const (
	// clockFile is set in the environment of a node whose clock is wrong, and clockedBinary
	// in that of a test program whose parent has built the binary that has such clocks.
	clockFile     = "STAGE_CLOCK"
	clockedBinary = "WEFT_CLOCKED_BINARY"
)

// A Clock is the wall clock of a node, which may be wrong and may jump; how time passes is
// not changed by that. It is the machine's at first. Its methods may be called concurrently.
type Clock struct {
	t    testing.TB
	path string
}

// NewClock makes a clock for a node that is started later: see Node.Clock.
func NewClock(t testing.TB) *Clock {
	t.Helper()
	c := &Clock{t, filepath.Join(t.TempDir(), "clock")}
	c.Set(0)
	return c
}

// HasClocks reports whether there is a binary whose nodes can have a Clock: it costs minutes
// to build, so that only who needs it calls ClockedBinary, before its tests begin.
func HasClocks() bool { return builtClocked() != "" }

// Set puts the clock so far ahead of the machine's, behind it with less than 0. A node that
// runs has it at once.
func (c *Clock) Set(ahead time.Duration) {
	c.t.Helper()
	f, err := os.OpenFile(c.path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(ahead)), 0)
		f.Close()
	}
	if err != nil {
		c.t.Fatalf("set a clock: %v", err)
	}
}

// ClockedBinary is the weft binary under test with one difference: where it asks Go's
// package time for the time of day it gets that of its Clock. Nothing of the product is
// changed for it; a file of the standard library is replaced while it is built (go build
// -overlay). It is built once per test program, from the same tree.
func ClockedBinary() (string, error) {
	if path := os.Getenv(clockedBinary); path != "" {
		return path, nil
	}
	built.Lock()
	defer built.Unlock()
	if built.clocked != "" {
		return built.clocked, nil
	}
	if built.dir == "" {
		dir, err := os.MkdirTemp("", "weft-binary-")
		if err != nil {
			return "", err
		}
		built.dir = dir
	}
	overlay, err := writeOverlay()
	if err != nil {
		return "", fmt.Errorf("build weft with a clock: %w", err)
	}
	path := filepath.Join(built.dir, "weft-clocked")
	if out, err := exec.Command("go", "build", "-overlay", overlay, "-o", path, "weft/cmd/weft").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build weft with a clock: %w\n%s", err, out)
	}
	built.clocked = path
	return path, nil
}

//go:embed clock.go.txt
var clockSource []byte

// readsTime is how package time reads the clock in Now, and where the offset comes in.
const readsTime = "\tsec, nsec, mono := runtimeNow()\n"

// writeOverlay writes a package time that asks a Clock, and what go build -overlay needs. It
// is always at the same place: only then does Go find what it built of it before, which is
// all of weft and takes minutes.
func writeOverlay() (path string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "weft-test-clock")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	source, err := os.ReadFile(filepath.Join(folder, "time.go"))
	if err != nil {
		return "", err
	}
	now := bytes.Replace(source, []byte(readsTime), []byte(readsTime+"\tsec, nsec = staged(sec, nsec)\n"), 1)
	if bytes.Equal(now, source) {
		return "", fmt.Errorf("package time of this Go does not read the clock by %q", strings.TrimSpace(readsTime))
	}
	replace := map[string]string{}
	for name, text := range map[string][]byte{"time.go": now, "stageclock.go": clockSource} {
		file := filepath.Join(dir, name)
		if err := replaceFile(file, text); err != nil {
			return "", err
		}
		replace[filepath.Join(folder, name)] = file
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "overlay.json")
	return path, replaceFile(path, text)
}

// replaceFile writes a file so that another test program which reads it at the same time
// finds it whole.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return err
	}
	return os.Rename(f.Name(), path)
}

// Installed runs the script of that name in test/scripts, which installs programs of others unless
// it has done so before, and returns the folder where they are.
func Installed(t testing.TB, name string) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	script := exec.Command(filepath.Join(filepath.Dir(here), "..", "scripts", name))
	script.Stderr = t.Output()
	out, err := script.Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}
