package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// Of a page of Markdown: what is code is no link and no heading.
var (
	codeBlock  = regexp.MustCompile("(?ms)^```.*?^```$|^(?:    |\t)[^\n]*$")
	codeSpans  = regexp.MustCompile("``.+?``|`[^`\n]+`")
	mdLink     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	mdHeading  = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	anotherWeb = regexp.MustCompile(`^(?:https?|mailto):`)
	// ourPath begins with a folder of the repository.
	ourPath = regexp.MustCompile(`^(?:\./)?(?:bridge|cmd|config|deploy|docs|edge|jetstream|test)/[\w./*-]*$`)
	// goTest is a benchmark or a fuzz target of a package, or of all below it.
	goTest = regexp.MustCompile("go test [^`\n]*-(bench|fuzz) '?(\\w+)'?(?: -\\w+ \\w+)* (\\./[\\w/.]+)|go test (\\./[\\w/.]+) [^`\n]*-(bench|fuzz) '?(\\w+)'?")
	// makeLine is a target with what is set for it.
	makeLine = regexp.MustCompile("(?m)(?:^    (?:[A-Z_]+=\\S+ )*|`(?:[A-Z_]+=\\S+ )*)make ([a-z0-9-]+)")
)

// linked are all pages that link to each other.
func linked(t *testing.T) map[string]string {
	all := pages(t)
	for _, path := range []string{"CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "test/load/README.md"} {
		all[path] = page(t, path)
	}
	return all
}

// anchors are what a page's headings are called in a link: GitHub's rules.
func anchors(text string) map[string]bool {
	known := map[string]bool{}
	for _, m := range mdHeading.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, mdLink.ReplaceAllString(m[1], "]"))
		for name, n := slug, 1; ; n++ {
			if !known[name] {
				known[name] = true
				break
			}
			name = fmt.Sprint(slug, "-", n)
		}
	}
	return known
}

// broken says what is wrong with a link of a page; "" for nothing.
func broken(all map[string]string, from, to string) string {
	if anotherWeb.MatchString(to) {
		return ""
	}
	file, anchor, hasAnchor := strings.Cut(to, "#")
	target := from
	if file != "" {
		target = path.Join(path.Dir(from), file)
		if _, err := os.Stat(filepath.Join("..", "..", target)); err != nil || strings.HasPrefix(target, "..") {
			return "there is no " + target
		}
	}
	if hasAnchor && !anchors(all[target])[anchor] {
		return target + " has no heading #" + anchor
	}
	return ""
}

func TestEachLinkOfTheDocsPointsAtSomething(t *testing.T) {
	all, found := linked(t), 0
	for from, text := range all {
		text = codeSpans.ReplaceAllString(codeBlock.ReplaceAllString(text, ""), "")
		for _, m := range mdLink.FindAllStringSubmatch(text, -1) {
			found++
			if what := broken(all, from, m[1]); what != "" {
				t.Errorf("%s: (%s): %s", from, m[1], what)
			}
		}
	}
	if found < 20 {
		t.Fatalf("found %d links", found)
	}
}

func TestABrokenLinkIsFound(t *testing.T) {
	all := map[string]string{"docs/a.md": "# A thing\n\n    # code\n\n## `x` and [y](z)!\n\n## A thing\n"}
	for to, want := range map[string]string{
		"#a-thing": "", "#a-thing-1": "", "#x-and-y": "", "../README.md": "", "https://example.com/#x": "",
		"#code": "docs/a.md has no heading #code", "#a-thing-2": "docs/a.md has no heading #a-thing-2",
		"no.md": "there is no docs/no.md", "../../x": "there is no ../x",
	} {
		if got := broken(all, "docs/a.md", to); got != want {
			t.Errorf("(%s) is %q, want %q", to, got, want)
		}
	}
}

// Words of code that begin with a folder of the repository are files of it, or
// patterns that match some.
func TestEachPathThatTheDocsNameIsThere(t *testing.T) {
	found := 0
	for from, text := range linked(t) {
		if from == "CHANGELOG.md" {
			continue // names what was
		}
		for _, span := range codeSpans.FindAllString(text, -1) {
			for _, word := range strings.Fields(strings.Trim(span, "`")) {
				if !ourPath.MatchString(word) {
					continue
				}
				found++
				if files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(strings.TrimSuffix(word, "...")))); err != nil || len(files) == 0 {
					t.Errorf("%s names %s, and there is no such file", from, word)
				}
			}
		}
	}
	if found < 20 {
		t.Fatalf("found %d paths", found)
	}
}

func TestEachMakeTargetThatTheDocsNameIsThere(t *testing.T) {
	source := page(t, "Makefile")
	found := 0
	for from, text := range linked(t) {
		for _, m := range makeLine.FindAllStringSubmatch(text, -1) {
			found++
			if !regexp.MustCompile(`(?m)^` + m[1] + `:`).MatchString(source) {
				t.Errorf("%s names make %s, which is no target", from, m[1])
			}
		}
	}
	if found < 10 {
		t.Fatalf("found %d targets", found)
	}
}

// Of each benchmark and fuzz target that the docs name there is one whose name holds
// that.
func TestEachBenchmarkThatTheDocsNameIsThere(t *testing.T) {
	found := 0
	for from, text := range linked(t) {
		for _, m := range goTest.FindAllStringSubmatch(text, -1) {
			found++
			kind, name, folder := m[1]+m[5], m[2]+m[6], m[3]+m[4]
			deep := strings.HasSuffix(folder, "/...")
			root := filepath.Join("..", "..", strings.TrimSuffix(folder, "/..."))
			function := regexp.MustCompile(`(?m)^func (?:` + map[string]string{"bench": "Benchmark", "fuzz": ""}[kind] + `)\w*` + name)
			there := false
			err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					if err == nil && !deep && path != root {
						return fs.SkipDir
					}
					return err
				}
				if strings.HasSuffix(path, "_test.go") {
					source, err := os.ReadFile(path)
					there = there || function.Match(source)
					return err
				}
				return nil
			})
			if err != nil || !there {
				t.Errorf("%s names %s, and there is none (%v)", from, m[0], err)
			}
		}
	}
	if found < 10 {
		t.Fatalf("found %d", found)
	}
}
