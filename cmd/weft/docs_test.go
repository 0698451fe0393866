package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"weft/edge/problem"
	"weft/edge/session"
)

// Pages that hold tables which the code has, too.
const (
	httpPage      = "docs/http.md"
	operatingPage = "docs/operating.md"
)

// page returns the text of a page of the documentation, by its path in the
// repository.
func page(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pages are README.md and all of docs/, by their paths.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{"README.md": page(t, "README.md")}
	for _, pattern := range []string{"docs/*.md"} {
		found, err := filepath.Glob("../../" + pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no page %s: %v", pattern, err)
		}
		for _, path := range found {
			path = strings.TrimPrefix(filepath.ToSlash(path), "../../")
			all[path] = page(t, path)
		}
	}
	return all
}

func TestTheDocsHaveEachEndingAsItIsSpelt(t *testing.T) {
	text := page(t, httpPage)
	// Left has nobody to tell, Dismissed shares a row with Disconnected, and
	// nobody is Isolated on a standalone node.
	for _, c := range []session.Cause{session.Expired, session.Revoked, session.Unauthorised, session.Slow,
		session.Limit, session.Disconnected, session.Draining, session.NotReady} {
		e := c.Ending()
		poll := ""
		if e.Code != "" {
			poll = fmt.Sprint(problem.New(e.Code, "").Status)
		}
		row := regexp.MustCompile(fmt.Sprintf("(?m)^\\| [^|]+ \\| `%s` \\| %d \\| %s", e.Reason, e.Close, poll))
		if !row.MatchString(text) {
			t.Errorf("%s has no row like %s", httpPage, row)
		}
	}
}

func TestTheDocsHaveEachCodeAtItsStatus(t *testing.T) {
	source, err := os.ReadFile("../../edge/problem/problem.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`Code = "([a-z_]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(codes) == 0 {
		t.Fatal("there are no codes")
	}
	rows := regexp.MustCompile(`(?m)^\| (\d{3}(?:, \d{3})*) \| (.*) \|$`).FindAllStringSubmatch(page(t, httpPage), -1)
	for _, code := range codes {
		found := false
		for _, row := range rows {
			status := fmt.Sprint(problem.New(problem.Code(code[1]), "").Status)
			found = found || strings.Contains(row[1], status) && strings.Contains(row[2], "`"+code[1]+"`")
		}
		if !found {
			t.Errorf("%s does not have the code %s at its status", httpPage, code[1])
		}
	}
}
