package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport says which rooms the packages of a room may import beside their own and
// the leaves.
var mayImport = map[string][]string{
	"weft/jetstream":      nil,
	"weft/bridge":         {"weft/jetstream"},
	"weft/edge":           {"weft/jetstream"},
	"weft/config":         nil,
	"weft/cmd/weft":       {"weft/jetstream", "weft/bridge", "weft/edge"},
	"weft/cmd/playground": nil,
	"weft/test":           nil,
}

// leaves import nothing of ours but each other, and every room may import them,
// whichever they lie in.
var leaves = []string{"weft/jetstream/ratelog", "weft/config", "weft/config/suggestion"}

// aloneImports names the technologies that belong to some rooms only. The
// playground and the tests stand outside and speak to the binary.
var aloneImports = map[string][]string{
	"github.com/nats-io/nats-server":       {"weft/jetstream"},
	"github.com/nats-io/nats.go/jetstream": {"weft/jetstream"},
	"github.com/IBM/sarama":                {"weft/bridge"},
	"github.com/gorilla/websocket":         {"weft/edge/frames", "weft/cmd/weft/client"},
	"github.com/golang-jwt/jwt":            {"weft/edge"},
	"github.com/goccy/go-yaml":             {"weft/config", "weft/cmd/weft/settings"},
	"github.com/spf13/cobra":               {"weft/cmd/weft"},
	"github.com/twmb/franz-go":             {},
}

var outside = []string{"weft/cmd/playground", "weft/test"}

type goPackage struct {
	ImportPath string
	Imports    []string
}

// packages lists the packages of the module with what their own files, tests
// apart, import.
func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "weft/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}
	var all []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("read list of packages: %v", err)
		}
		all = append(all, p)
	}
}

// below reports whether path is one of the folders or lies in one.
func below(path string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool {
		return path == f || strings.HasPrefix(path, f+"/")
	})
}

func room(path string) string {
	for r := range mayImport {
		if below(path, r) {
			return r
		}
	}
	return ""
}

func TestImportsRunOneWay(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range packages(t) {
		own := room(p.ImportPath)
		if own == "" {
			t.Errorf("%s is in no room", p.ImportPath)
			continue
		}
		seen[own] = true
		may := slices.Concat([]string{own}, mayImport[own], leaves)
		if slices.Contains(leaves, p.ImportPath) {
			may = leaves
		}
		for _, i := range p.Imports {
			if below(i, "weft") && !below(i, may...) {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
	for r := range mayImport {
		if !seen[r] {
			t.Errorf("there is no package in %s", r)
		}
	}
}

func TestATechnologyIsKnownInItsRoomAlone(t *testing.T) {
	for _, p := range packages(t) {
		if below(p.ImportPath, outside...) {
			continue
		}
		for _, i := range p.Imports {
			for technology, rooms := range aloneImports {
				if below(i, technology) && !below(p.ImportPath, rooms...) {
					t.Errorf("%s imports %s", p.ImportPath, i)
				}
			}
		}
	}
}
