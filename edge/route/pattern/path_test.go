package pattern_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"weft/edge/route/pattern"
)

func TestAPathThatABackEndCouldTakeForAnotherIsRefused(t *testing.T) {
	for sent, want := range map[string]string{
		"":                    "it does not begin with one slash",
		"*":                   "it does not begin with one slash",
		"a/b":                 "it does not begin with one slash",
		"http://evil/":        "it does not begin with one slash",
		"//":                  "it does not begin with one slash",
		"//evil/a":            "it does not begin with one slash",
		`/\evil`:              "it does not begin with one slash",
		"/..":                 `it has a "." or ".." segment`,
		"/.":                  `it has a "." or ".." segment`,
		"/a/../b":             `it has a "." or ".." segment`,
		"/a/./b":              `it has a "." or ".." segment`,
		"/%2e%2e/":            `it has a "." or ".." segment`,
		"/.%2E/":              `it has a "." or ".." segment`,
		"/%2e":                `it has a "." or ".." segment`,
		"/..;/":               `it has a "." or ".." segment`,
		"/..;a=b/c":           `it has a "." or ".." segment`,
		"/a;../c":             `it has a "." or ".." segment`,
		"/a%3b..%3bb":         `it has a "." or ".." segment`,
		"/api/..%2f..%2fa":    `it has a "." or ".." segment`,
		"/a%2F.":              `it has a "." or ".." segment`,
		"/a/%5c..%5c":         `it has a "." or ".." segment`,
		`/a\..\b`:             `it has a "." or ".." segment`,
		"/a%00":               "it has a control character",
		"/a%0d%0aSet-Cookie:": "it has a control character",
		"/a%7fb":              "it has a control character",
		"/a\tb":               "it has a control character",
		"/%":                  "it has a malformed %",
		"/a%2":                "it has a malformed %",
		"/a%zz/b":             "it has a malformed %",
		"/%2/e":               "it has a malformed %",
		"/a#b":                "it has a #",
		"/a b":                "it has a space",
	} {
		p, err := pattern.ParsePath(sent)
		if p != nil || !errors.Is(err, pattern.ErrPath) || err.Error() != "the path is refused: "+want {
			t.Errorf("%q: %v, want %s", sent, err, want)
		}
	}
}

func TestAPathThatIsOnlyUnusualIsTaken(t *testing.T) {
	for _, sent := range []string{
		"/", "/a//b", "/a//", "/...", "/a..b", "/..a", "/a;b=c", "/a%2Fb", "/a%5cb", "/%2Fevil", "/a%252e%252e", "/a|b", "/a%3Fb", "/größe", "/%ff",
	} {
		if p, err := pattern.ParsePath(sent); err != nil || p.String() != sent {
			t.Errorf("%q: %v", sent, err)
		}
	}
}

func TestALongPathTakesNoMoreMemoryThanItsText(t *testing.T) {
	sent := strings.Repeat("/a", 1<<19)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	path, err := pattern.ParsePath("/x" + sent)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 2<<20 {
		t.Errorf("a path of %d bytes took %d bytes", len(sent), took)
	}
	x := pattern.NewIndex([]pattern.Entry[int]{{Pattern: parse(t, strings.Repeat("/{x}", 1)[:4]+"/{rest...}"), Value: 1}})
	if _, values, ok := x.Match("GET", "", path); !ok || values[0] != "x" || "/"+values[1] != sent {
		t.Error("the rest is not what was sent")
	}
}
