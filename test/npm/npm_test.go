// Package npm uses weft-client as those do who have it from npm: it packs it, installs the package
// into projects, and runs them in TypeScript, Node and a real Chromium.
package npm

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"weft/test/stage"
)

func TestMain(m *testing.M) {
	code := m.Run()
	shared.Close()
	if packing != "" {
		_ = os.RemoveAll(packing)
	}
	stage.RemoveBinary()
	os.Exit(code)
}

// packing is the folder of the archive, which TestMain removes.
var packing string

// packed is the archive that npm would publish.
var packed = sync.OnceValues(func() (archive string, err error) {
	dir, err := os.MkdirTemp("", "weft-npm-")
	if err != nil {
		return "", err
	}
	packing = dir
	cmd := exec.Command("npm", "pack", "--pack-destination", dir)
	cmd.Dir = "../../edge/client"
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm pack: %w\n%s", err, out)
	}
	archives, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return "", fmt.Errorf("npm packed %v (%w)", archives, err)
	}
	return archives[0], nil
})

func pack(t testing.TB) string {
	t.Helper()
	archive, err := packed()
	must(t, err)
	return archive
}

// project is a folder with the files, named by their paths in drivers, the package, and beside it
// what is installed.
func project(t testing.TB, files ...string) string {
	t.Helper()
	dir, home := t.TempDir(), stage.Installed(t, "npm.sh")
	modules := filepath.Join(dir, "node_modules")
	must(t, os.MkdirAll(filepath.Join(modules, "weft-client"), 0o755))
	run(t, dir, "tar", "-xzf", pack(t), "--strip-components=1", "-C", filepath.Join(modules, "weft-client"))
	all, err := os.ReadDir(filepath.Join(home, "node_modules"))
	must(t, err)
	for _, it := range all {
		must(t, os.Symlink(filepath.Join(home, "node_modules", it.Name()), filepath.Join(modules, it.Name())))
	}
	must(t, os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"private": true, "type": "module"}`), 0o644))
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join("drivers", name))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, name), text, 0o644))
	}
	return dir
}

// run runs a command in a folder, which must succeed, and returns what it says.
func run(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	out, err := attempt(t, dir, name, args...)
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return out
}

func attempt(t testing.TB, dir, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// publish stores an event of a user or subject (`user=ann`) and returns when it is stored.
func publish(t testing.TB, node *stage.Node, query string, data any) {
	t.Helper()
	text, err := json.Marshal(data)
	must(t, err)
	must(t, node.Publish(t.Context(), query, string(text)))
}

// A connection is one of a user's, as an operator sees it.
type connection struct{ ID, Transport, Device string }

// connections are those of a user.
func connections(t testing.TB, node *stage.Node, user string) []connection {
	t.Helper()
	var answer struct{ Connections []connection }
	must(t, json.Unmarshal([]byte(asAdmin(t, node, "users/"+user)), &answer))
	return answer.Connections
}

// asAdmin asks the node's admin listener.
func asAdmin(t testing.TB, node *stage.Node, path string) string {
	t.Helper()
	resp, err := http.Get(node.AdminURL() + "/_weft/v1/" + path)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	return string(text)
}

// soon bounds a wait; it is generous, for the machine may be busy.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
