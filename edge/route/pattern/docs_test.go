package pattern_test

import (
	"cmp"
	"net/url"
	"os"
	"strings"
	"testing"

	"weft/edge/route/pattern"
)

// rows are those of a table of docs/routes.md, without its head, and without backquotes.
func rows(t *testing.T, name string) (all [][]string) {
	t.Helper()
	text, err := os.ReadFile("../../../docs/routes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "<!-- "+name+" -->\n")
	table, _, ok := strings.Cut(after, "<!-- /"+name+" -->")
	lines := strings.Split(strings.TrimSpace(table), "\n")
	if !ok || len(lines) < 3 {
		t.Fatalf("docs/routes.md has no table %s", name)
	}
	for _, line := range lines[2:] {
		var row []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), " | ") {
			row = append(row, strings.TrimSpace(strings.ReplaceAll(cell, "`", "")))
		}
		all = append(all, row)
	}
	return all
}

func TestTheRoutesOfTheDocsServeAsTheyAreSaidTo(t *testing.T) {
	var entries []pattern.Entry[string]
	patterns := map[string]*pattern.Pattern{}
	for _, row := range rows(t, "patterns") {
		patterns[row[0]] = parse(t, row[1])
		entries = append(entries, pattern.Entry[string]{Pattern: patterns[row[0]], Value: row[0]})
	}
	x := pattern.NewIndex(entries)
	for _, row := range rows(t, "requests") {
		method, target, _ := strings.Cut(row[0], " ")
		host := ""
		if strings.HasPrefix(target, "https://") {
			u, err := url.Parse(target)
			if err != nil {
				t.Fatal(err)
			}
			host, target = u.Host, u.EscapedPath()
		}
		if got := serves(x, patterns, method, host, target); got != row[1] {
			t.Errorf("%s is served by %q, and the docs say %q", row[0], got, row[1])
		}
	}
}

// serves says in the docs' words what serves a request.
func serves(x *pattern.Index[string], patterns map[string]*pattern.Pattern, method, host, sent string) string {
	p, err := pattern.ParsePath(sent)
	if err != nil {
		return "400"
	}
	name, values, ok := x.Match(method, host, p)
	if !ok {
		methods, _ := x.Methods(host, p)
		if len(methods) == 0 {
			return "404"
		}
		return "405, Allow: " + strings.Join(methods, ", ")
	}
	for i, n := range patterns[name].Names() {
		name += ", " + n + " is " + cmp.Or(values[i], "empty")
	}
	return name
}
