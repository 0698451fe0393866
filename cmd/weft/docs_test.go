package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"weft/cmd/weft/settings"
	"weft/config"
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
	for _, pattern := range []string{"docs/*.md", "docs/decisions/*.md"} {
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
	// Left has nobody to tell, and Dismissed shares a row with Disconnected.
	for _, c := range []session.Cause{session.Expired, session.Revoked, session.Unauthorised, session.Slow,
		session.Limit, session.Disconnected, session.Draining, session.NotReady, session.Isolated} {
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

var (
	weftLine = regexp.MustCompile(`(?m)^    .*?\b(weft [^\n]*)$`)
	weftSpan = regexp.MustCompile("`(weft [^`\n]*)`")
)

// typedCommands are the words of each weft command in a line of a shell.
func typedCommands(line string) (commands [][]string) {
	line, _, _ = strings.Cut(line, " #")
	for _, part := range regexp.MustCompile(`[|;&()>]+`).Split(line, -1) {
		part, _, _ = strings.Cut(part, "<")
		words := regexp.MustCompile(`'[^']*'|\S+`).FindAllString(part, -1)
		// In JavaScript it is the name of a variable.
		if len(words) > 0 && words[0] == "weft" && !(len(words) > 1 && words[1] == "=") {
			commands = append(commands, words[1:])
		}
	}
	return commands
}

// mistyped is what the program says of a command as it was typed, without doing it.
func mistyped(words []string) error {
	root := newRoot()
	cmd, args, err := root.Find(words)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(args); err != nil {
		return err
	}
	if cmd == root || cmd.HasSubCommands() {
		if len(cmd.Flags().Args()) > 0 {
			return fmt.Errorf("%s has no command %q", cmd.CommandPath(), cmd.Flags().Args())
		}
		return nil
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// What README and docs/ tell the reader to type, the program takes: the command is
// there, its flags are, and it has as many arguments as it needs. In running text a
// command may stand for itself.
func TestEachWeftLineOfTheDocsIsTypedRightly(t *testing.T) {
	found := 0
	for path, text := range pages(t) {
		for _, m := range weftLine.FindAllStringSubmatch(text, -1) {
			for _, words := range typedCommands(m[1]) {
				found++
				if err := mistyped(words); err != nil {
					t.Errorf("%s: weft %s: %v", path, strings.Join(words, " "), err)
				}
			}
		}
		for _, m := range weftSpan.FindAllStringSubmatch(text, -1) {
			for _, words := range typedCommands(m[1]) {
				found++
				if _, _, err := newRoot().Find(words); err != nil {
					t.Errorf("%s: weft %s: %v", path, strings.Join(words, " "), err)
				}
			}
		}
	}
	if found < 30 {
		t.Fatalf("found %d commands", found)
	}
	for _, wrong := range []string{"serv", "serve --confg x", "revoke s1 s2", "cluster list", "cluster remove"} {
		if mistyped(strings.Fields(wrong)) == nil {
			t.Errorf("weft %s is found to be typed rightly", wrong)
		}
	}
}

// Blocks of configuration in README and docs/ have known keys with values that can be
// read. What a whole file must have beside them may be missing.
func TestEachBlockOfConfigurationInTheDocsIsRead(t *testing.T) {
	block := regexp.MustCompile(`(?m)^    (?:node|cluster|public|admin|auth|events|ingest|kafka|log|routes|tuning|upstreams):.*\n(?:^    .*\n)*`)
	found := 0
	for path, text := range pages(t) {
		for _, b := range block.FindAllString(text, -1) {
			found++
			yaml, _, _ := strings.Cut(regexp.MustCompile(`(?m)^    `).ReplaceAllString(b, ""), "\nEND")
			file := filepath.Join(t.TempDir(), "weft.yaml")
			if err := os.WriteFile(file, []byte(strings.ReplaceAll(yaml, "$i", "1")), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := settings.Load(settings.Source{Source: config.Source{Path: file}})
			if err == nil || path == "docs/cluster.md" && onlyMissing.MatchString(err.Error()) {
				continue
			}
			t.Errorf("%s: %v\n%s", path, err, yaml)
		}
	}
	if found < 5 {
		t.Fatalf("found %d blocks", found)
	}
}

// onlyMissing is the one mistake of the section that shows certificates: what it does
// not show.
var onlyMissing = regexp.MustCompile(`^[^\n]*cluster\.seeds: is empty[^\n]*$`)

func TestTheREADMEIsWhatAReaderNeedsToBegin(t *testing.T) {
	if n := strings.Count(page(t, "README.md"), "\n"); n > 180 {
		t.Errorf("README.md has %d lines, at most 180; the rest belongs into docs/", n)
	}
}
