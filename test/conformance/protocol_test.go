package conformance

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Of docs/protocol.md.
var (
	codeBlock = regexp.MustCompile(`(?m)^    .*\n`)
	codeSpan  = regexp.MustCompile("`[^`]+`")
	caseName  = regexp.MustCompile(`\[([a-z]+\.[a-z0-9._-]+)\]`)
	// within is where one sentence ends and another one begins.
	within = regexp.MustCompile(`[.!?:]\)? +[A-Z]`)
)

// promises are the names of cases in the page's sentences, and what is wrong with it:
// sentences that promise something without one. Words, and what is above the first heading,
// promise nothing, nor does a block quote.
func promises(page string) (names, wrong []string) {
	section := ""
	for _, part := range parts(codeBlock.ReplaceAllString(page, "")) {
		switch {
		case strings.HasPrefix(part, "#"):
			section = part
			continue
		case section == "", strings.HasPrefix(section, "# "), section == "## Words", strings.HasPrefix(part, ">"):
			continue
		}
		named := slices.DeleteFunc(caseName.FindAllStringSubmatchIndex(part, -1), func(at []int) bool {
			return strings.HasPrefix(part[at[1]:], "(") // a link
		})
		said, row, end := 0, strings.HasPrefix(part, "|"), 0
		for _, at := range named {
			names = append(names, part[at[2]:at[3]])
			sentence := strings.TrimSpace(codeSpan.ReplaceAllString(part[end:at[0]], "x"))
			end = at[1]
			if sentence == "" && said > 0 { // held by two cases
				continue
			}
			said++
			if !row && (within.MatchString(sentence) || !strings.ContainsAny(sentence[max(0, len(sentence)-2):], ".:!?")) {
				wrong = append(wrong, "this is not one sentence: "+sentence)
			}
		}
		rest := strings.Trim(part[end:], " |")
		if leads := strings.HasSuffix(rest, ":"); !leads && (len(named) == 0 || rest != "") {
			wrong = append(wrong, "this has no case: "+rest)
		}
	}
	return names, wrong
}

// parts are a page's headings, block quotes, entries of lists, rows of tables without their
// heads, and paragraphs, each in one line.
func parts(page string) (all []string) {
	lines := strings.Split(page, "\n")
	fresh := true // the next line begins something
	for i, line := range lines {
		begins := strings.HasPrefix(line, "- ") || strings.HasPrefix(line, "|") || strings.HasPrefix(line, "#")
		switch {
		case strings.TrimSpace(line) == "":
			fresh = true
		case strings.HasPrefix(line, "| ---"), i+1 < len(lines) && strings.HasPrefix(lines[i+1], "| ---"):
		case fresh || begins:
			all = append(all, strings.TrimPrefix(line, "- "))
			fresh = strings.HasPrefix(line, "#")
		default:
			all[len(all)-1] += " " + strings.TrimPrefix(strings.TrimSpace(line), "> ")
		}
	}
	return all
}

func TestEachSentenceOfTheProtocolIsACase(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	said, wrong := promises(string(page))
	for _, w := range wrong {
		t.Error(w)
	}
	for i, name := range said {
		if slices.Contains(said[:i], name) {
			t.Errorf("two sentences are called %s", name)
		}
	}
	held := map[string]bool{}
	for _, name := range cases() {
		held[name] = true
		if !slices.Contains(said, name) {
			t.Errorf("no sentence is held by the case %s", name)
		}
	}
	for _, name := range said {
		if !held[name] {
			t.Errorf("no case holds the sentence %s", name)
		}
	}
}

// cases are the names of sentences that something in this package holds nodes or clients to.
func cases() (all []string) {
	for _, row := range slices.Concat(behaviours(), strictly()) {
		all = append(all, strings.Fields(row.says)...)
	}
	for _, row := range leaving {
		all = append(all, strings.Fields(row.says)...)
	}
	for _, row := range duties() {
		all = append(all, row.says)
	}
	return all
}

func TestAPageIsToldWhatHasNoCase(t *testing.T) {
	for page, want := range map[string]string{
		"It promises. Much.\n\n## Words\n\n| a | b |\n| --- | --- |\n| c | Is. |\n":       "[] []",
		"## A\n\nIt is so. [a.b]\n\n- That too, `x. Y`\n  is. [a.c] And (this.) [a.d]\n":  "[a.b a.c a.d] []",
		"## A\n\n> Nobody\n> promises.\n\n    {}\n\nIt is. [a.b] [a.c]\n":                 "[a.b a.c] []",
		"## A\n\n| a | b |\n| --- | --- |\n| `c` | is d. And e. [a.b] |\n| `f` | is. |\n": `[a.b] ["this has no case: ` + "`f` | is." + `"]`,
		"## A\n\nSo it is, [b.c](d), and:\n\n- This. [a.b]\n":                             "[a.b] []",
		"## A\n\n### B\n\nIt is so.\n":                                                    `[] ["this has no case: It is so."]`,
		"## A\n\n- It is so. [a.b] Or not.\n":                                             `[a.b] ["this has no case: Or not."]`,
		"## A\n\n- It is. So it is. [a.b]\n":                                              `[a.b] ["this is not one sentence: It is. So it is."]`,
		"## A\n\n- It is [a.b] and so is [a.c]":                                           `[a.b a.c] ["this is not one sentence: It is" "this is not one sentence: and so is"]`,
	} {
		names, wrong := promises(page)
		if got := fmt.Sprintf("%v %q", names, wrong); got != want {
			t.Errorf("%q: got %s, want %s", page, got, want)
		}
	}
}

// The page is precise enough when so little is.
func TestTheClientOfTheDocumentIsSmall(t *testing.T) {
	text, err := os.ReadFile("drivers/client.py")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n >= 150 {
		t.Errorf("it has %d lines", n)
	}
}
