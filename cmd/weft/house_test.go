package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The measures of the house. What is beyond them holds more than one thing.
const (
	maxFiles   = 25  // Go files of a package, its tests apart
	maxLines   = 400 // of a Go file, a test's too
	maxMethods = 25  // of a type
)

// folders of the module that hold Go files, each relative to the root.
func folders(t *testing.T, root string) []string {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".go") {
			found[filepath.Dir(path)] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(found))
}

// A measured is what was counted of one thing.
type measured struct {
	name  string
	count int
}

// tooMany says what has more than limit of the unit.
func tooMany(all []measured, limit int, unit string) []complaint {
	var found []complaint
	for _, m := range all {
		if m.count > limit {
			found = append(found, complaint{m.name, fmt.Sprintf("has %d %s, more than %d", m.count, unit, limit)})
		}
	}
	return found
}

// A complaint says what is wrong with a package, a type or a file.
type complaint struct{ about, text string }

func (c complaint) String() string { return c.about + " " + c.text }

// A sourceFile is a Go file with its path from the root of the module.
type sourceFile struct {
	path string
	text []byte
}

func (s sourceFile) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s sourceFile) packagePath() string { return "weft/" + filepath.ToSlash(filepath.Dir(s.path)) }

// countFiles counts the files of each package, tests apart, whatever system they are
// for.
func countFiles(all []sourceFile) []measured {
	n := map[string]int{}
	for _, s := range all {
		if !s.isTest() {
			n[s.packagePath()]++
		}
	}
	return sorted(n)
}

func countLines(all []sourceFile) []measured {
	n := map[string]int{}
	for _, s := range all {
		n[s.path] = bytes.Count(s.text, []byte("\n"))
	}
	return sorted(n)
}

// countMethods counts the methods that each type declares itself, whatever system
// their files are for: of two files for two systems one counts.
func countMethods(all []sourceFile) ([]measured, error) {
	seen := map[string]map[string]bool{}
	for _, s := range all {
		if s.isTest() {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), s.path, s.text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || len(f.Recv.List) == 0 {
				continue
			}
			of := s.packagePath() + "." + receiver(f.Recv.List[0].Type)
			if seen[of] == nil {
				seen[of] = map[string]bool{}
			}
			seen[of][f.Name.Name] = true
		}
	}
	n := map[string]int{}
	for of, methods := range seen {
		n[of] = len(methods)
	}
	return sorted(n), nil
}

// receiver is the name of the type that a method belongs to.
func receiver(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.StarExpr:
		return receiver(x.X)
	case *ast.IndexExpr:
		return receiver(x.X)
	case *ast.IndexListExpr:
		return receiver(x.X)
	case *ast.Ident:
		return x.Name
	}
	return ""
}

func sorted(n map[string]int) []measured {
	var all []measured
	for name, count := range n {
		all = append(all, measured{name, count})
	}
	slices.SortFunc(all, func(a, b measured) int { return cmp.Compare(a.name, b.name) })
	return all
}

func sources(t *testing.T, root string) []sourceFile {
	t.Helper()
	var all []sourceFile
	for _, dir := range folders(t, root) {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			path, err := filepath.Rel(root, f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, sourceFile{filepath.ToSlash(path), text})
		}
	}
	return all
}

func TestHouseHasNoPartThatIsTooLarge(t *testing.T) {
	all := sources(t, "../..")
	if len(all) < 100 {
		t.Fatalf("found %d files of Go", len(all))
	}
	methods, err := countMethods(all)
	if err != nil {
		t.Fatal(err)
	}
	found := slices.Concat(tooMany(countFiles(all), maxFiles, "files"), tooMany(countLines(all), maxLines, "lines"),
		tooMany(methods, maxMethods, "methods"))
	complain(t, found)
}

func TestHouseComplainsAboutAPartThatIsTooLarge(t *testing.T) {
	lines := func(n int) []byte { return bytes.Repeat([]byte("\n"), n) }
	all := []sourceFile{
		{"a/a.go", []byte("package a\ntype T struct{}\ntype G[A any] struct{}\nfunc (T) A() {}\nfunc (t *T) B() {}\nfunc (G[A]) A() {}\nfunc C() {}\n")},
		{"a/a_linux.go", []byte("package a\nfunc (T) C() {}\n")},
		{"a/a_other.go", []byte("package a\nfunc (T) C() {}\n")},
		{"a/a_test.go", append([]byte("package a\nfunc (T) D() {}\n"), lines(9)...)},
		{"b/c/b.go", []byte("package b\ntype T struct{}\nfunc (T) A() {}\n")},
	}
	methods, err := countMethods(all)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		got  []complaint
		want []string
	}{
		"files":         {tooMany(countFiles(all), 2, "files"), []string{"weft/a has 3 files, more than 2"}},
		"files allowed": {tooMany(countFiles(all), 3, "files"), nil},
		"lines":         {tooMany(countLines(all), 10, "lines"), []string{"a/a_test.go has 11 lines, more than 10"}},
		"lines allowed": {tooMany(countLines(all), 11, "lines"), nil},
		"methods":       {tooMany(methods, 1, "methods"), []string{"weft/a.T has 3 methods, more than 1"}},
		"allowed":       {tooMany(methods, 3, "methods"), nil},
	} {
		var got []string
		for _, c := range tc.got {
			got = append(got, c.String())
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
	if _, err := countMethods([]sourceFile{{"a/a.go", []byte("no Go")}}); err == nil {
		t.Error("a file that is no Go is counted")
	}
}
