package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// tabulated are the rooms whose packages the documentation lists, in the order of the
// road that an event takes.
var tabulated = []string{"weft/jetstream", "weft/bridge", "weft/edge", "weft/config", "weft/config/testkit", "weft/cmd/weft"}

// packageTable lists the packages of the rooms as docs/architecture.md has them: the
// leaves of a room first, then the others in their order, each with the first sentence
// of its comment.
func packageTable(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}\t{{.Doc}}", "weft/...").Output()
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}
	says := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, doc, _ := strings.Cut(strings.TrimSpace(line), "\t")
		says[path] = doc
	}
	var b strings.Builder
	b.WriteString("| package | |\n| --- | --- |\n")
	row := func(path, leaf string) {
		doc, ok := says[path]
		delete(says, path)
		if !ok {
			return // of a package that has a place before it is there, or is room only
		}
		doc = strings.TrimPrefix(doc, "Package "+path[strings.LastIndex(path, "/")+1:]+" ")
		fmt.Fprintf(&b, "| `%s`%s | %s |\n", strings.TrimPrefix(path, "weft/"), leaf, strings.ReplaceAll(doc, "|", `\|`))
	}
	for _, room := range tabulated {
		for _, leaf := range slices.Sorted(slices.Values(leaves)) {
			if below(leaf, room) {
				row(leaf, ", a leaf")
			}
		}
		for _, p := range rooms[room].order {
			if p != allOthers {
				row(strings.TrimSuffix(room+"/"+p, "/"), "")
				continue
			}
			for _, path := range slices.Sorted(maps.Keys(says)) {
				if roomOf(path, rooms) == room && !slices.Contains(rooms[room].order, within(path, room)) {
					row(path, "")
				}
			}
		}
	}
	for path := range says {
		if below(path, tabulated...) {
			t.Errorf("%s is in no order of cmd/weft/rooms_test.go", path)
		}
	}
	return b.String()
}

func TestTheDocsHoldTheTableOfAllPackages(t *testing.T) {
	const file, begin, end = "docs/architecture.md", "<!-- packages -->\n", "<!-- /packages -->"
	want := packageTable(t)
	head, rest, ok := strings.Cut(page(t, file), begin)
	have, tail, ok2 := strings.Cut(rest, end)
	switch {
	case !ok || !ok2:
		t.Fatalf("%s has no place for the table of packages", file)
	case have == want:
	case !*update:
		t.Fatalf("the table of packages in %s is not what the code says; make docs", file)
	default:
		if err := os.WriteFile("../../"+file, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
