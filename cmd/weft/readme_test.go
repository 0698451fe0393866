package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"weft/edge/problem"
	"weft/edge/session"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestREADMEHasEachEndingAsItIsSpelt(t *testing.T) {
	text := readme(t)
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
			t.Errorf("README has no row like %s", row)
		}
	}
}

func TestREADMEHasEachCodeAtItsStatus(t *testing.T) {
	source, err := os.ReadFile("../../edge/problem/problem.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`Code = "([a-z_]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(codes) == 0 {
		t.Fatal("there are no codes")
	}
	rows := regexp.MustCompile(`(?m)^\| (\d{3}(?:, \d{3})*) \| (.*) \|$`).FindAllStringSubmatch(readme(t), -1)
	for _, code := range codes {
		found := false
		for _, row := range rows {
			status := fmt.Sprint(problem.New(problem.Code(code[1]), "").Status)
			found = found || strings.Contains(row[1], status) && strings.Contains(row[2], "`"+code[1]+"`")
		}
		if !found {
			t.Errorf("README does not have the code %s at its status", code[1])
		}
	}
}
