// Package release tests what make release builds, for one platform.
package release

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const version = "v0.0.0-test"

// run returns the standard output of a command in a folder.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		said := ""
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			said = string(exit.Stderr)
		}
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, said)
	}
	return string(out)
}

// copySource copies the source as it is, changes included, without its history.
func copySource(t *testing.T, to string) {
	t.Helper()
	const root = "../.."
	for _, file := range strings.Split(run(t, root, nil, "git", "ls-files", "-z", "-co", "--exclude-standard"), "\x00") {
		info, err := os.Lstat(filepath.Join(root, file))
		if file == "" || err != nil { // deleted
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
}

// release builds one for this platform and returns its files by name.
func release(t *testing.T, source string) map[string]string {
	t.Helper()
	run(t, source, nil, "deploy/release.sh", version, runtime.GOOS+"/"+runtime.GOARCH)
	files := map[string]string{}
	dist := os.DirFS(filepath.Join(source, "dist"))
	names, err := fs.Glob(dist, "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(dist, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	return files
}

func TestAReleaseIsTheSameBytesWhereverItIsBuilt(t *testing.T) {
	here, there := filepath.Join(t.TempDir(), "here"), filepath.Join(t.TempDir(), "some", "where", "else")
	copySource(t, here)
	copySource(t, there)
	one, two := release(t, here), release(t, there)
	if len(one) != 3 || len(two) != 3 {
		t.Fatalf("%d and %d files, want a binary, what is in it, and the sums", len(one), len(two))
	}
	for name, text := range one {
		if two[name] != text {
			t.Errorf("%s differs", name)
		}
	}

	name := fmt.Sprintf("weft-%s-%s-%s", version, runtime.GOOS, runtime.GOARCH)
	for _, file := range []string{name, name + ".cdx.json"} {
		if sum := fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(one[file])), file); !strings.Contains(one["SHA256SUMS"], sum) {
			t.Errorf("SHA256SUMS has no line %q:\n%s", sum, one["SHA256SUMS"])
		}
	}
	for part, in := range map[string]bool{
		"pkg:golang/weft@" + version: true, "pkg:golang/github.com/nats-io/nats-server/v2@": true, "pkg:golang/std@": true,
		"go.uber.org/goleak": false, "github.com/chromedp": false,
	} {
		if strings.Contains(one[name+".cdx.json"], part) != in {
			t.Errorf("%s is listed: %v", part, !in)
		}
	}
	if said := run(t, here, nil, filepath.Join("dist", name), "version"); !strings.HasPrefix(said, "weft "+version+"\n") {
		t.Errorf("it says that it is %q", said)
	}
}

// Tests are run with both modules put together, a release is built of one.
func TestABinaryIsOfTheSameModulesAloneAndBesideItsTests(t *testing.T) {
	list := []string{"list", "-deps", "-f", "{{with .Module}}{{.Path}} {{.Version}}{{end}}", "./cmd/weft"}
	beside, alone := run(t, "../..", nil, "go", list...), run(t, "../..", []string{"GOWORK=off"}, "go", list...)
	if !strings.Contains(alone, "github.com/nats-io/nats-server/v2 v2") {
		t.Fatalf("no modules are listed:\n%s", alone)
	}
	if beside != alone {
		t.Errorf("the binary is built of other versions beside its tests than alone; write into both go.mod the same")
	}
}
