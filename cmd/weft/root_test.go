package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// ours are the commands that do something, by what is typed.
func ours(t *testing.T) map[string]*cobra.Command {
	t.Helper()
	list := map[string]*cobra.Command{}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() == "completion" || c.Name() == "help" {
			return // cobra's
		}
		if !c.HasSubCommands() {
			list[c.CommandPath()] = c
		}
		for _, below := range c.Commands() {
			walk(below)
		}
	}
	walk(newRoot())
	if len(list) < 14 {
		t.Fatalf("there are only %d commands", len(list))
	}
	return list
}

func TestEachCommandExplainsItselfWithExamples(t *testing.T) {
	for name, c := range ours(t) {
		if c.Short == "" || len(c.Long) <= len(c.Short) {
			t.Errorf("%s does not explain itself", name)
		}
		if !strings.Contains(c.Example, "  "+name) {
			t.Errorf("%s has no example of its own", name)
		}
		for line := range strings.Lines(c.Long + "\n" + c.Example) {
			if len([]rune(strings.TrimSuffix(line, "\n"))) > 88 {
				t.Errorf("%s: a line is too long for a terminal: %s", name, line)
			}
		}
	}
}

func TestEachCommandThatPrintsSomethingPrintsJSON(t *testing.T) {
	lines := map[string]bool{
		"weft serve":  true, // prints nothing but its log: --log-format json
		"weft export": true, // is lines of JSON
	}
	for name, c := range ours(t) {
		if has := c.Flags().Lookup("json") != nil; !has && !lines[name] {
			t.Errorf("%s has no --json", name)
		}
	}
}

func TestTheDocsAndThePackageCommentNameEachCommand(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	text := page(t, operatingPage)
	for name := range ours(t) {
		top := strings.Join(strings.Fields(name)[:2], " ")
		if !regexp.MustCompile(`(?m)^//\t` + top + ` +\w`).Match(source) {
			t.Errorf("the package comment does not name %s", top)
		}
		if !regexp.MustCompile("(?m)^\\| `" + name + "[ `]").MatchString(text) {
			t.Errorf("the table of commands in %s does not have %s", operatingPage, name)
		}
	}
}
