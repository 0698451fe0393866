package settings_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"weft/cmd/weft/settings"
	"weft/config"
)

func TestEachKeyHasAMeaningAndEachMeaningAKey(t *testing.T) {
	text, err := os.ReadFile("meanings.txt")
	if err != nil {
		t.Fatal(err)
	}
	means := config.ReadMeanings(string(text))
	for _, l := range config.Keys(settings.Default()) {
		if means[l.Name] == "" {
			t.Errorf("%s has no meaning in meanings.txt", l.Name)
		}
		delete(means, l.Name)
	}
	for key := range means {
		t.Errorf("meanings.txt explains %s, which is no key", key)
	}
}

func TestTheReferenceNamesKeyVariableAndDefault(t *testing.T) {
	var b strings.Builder
	if err := settings.WriteReference(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| `events.max_age` | `WEFT_EVENTS_MAX_AGE` | `24h` | ",
		"| `events.max_bytes` | `WEFT_EVENTS_MAX_BYTES` | `1GiB` | ",
		"| `node.users[].password` |  |  | ",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}

var update = flag.Bool("update", false, "write the reference into docs/configuration.md")

const (
	manual = "../../../docs/configuration.md"
	begin  = "<!-- reference -->\n"
	end    = "<!-- /reference -->"
)

func TestTheDocsHoldTheReferenceOfAllKeys(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	have, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the reference", manual)
	}
	var want strings.Builder
	if err := settings.WriteReference(&want); err != nil {
		t.Fatal(err)
	}
	if have == want.String() {
		return
	}
	if !*update {
		t.Fatalf("the reference in %s is not what the code says; make docs", manual)
	}
	if err := os.WriteFile(manual, []byte(head+begin+want.String()+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTheExampleLoads(t *testing.T) {
	if _, err := settings.Load(settings.Source{Source: config.Source{Path: "../../../deploy/weft.yaml"}}); err != nil {
		t.Error(err)
	}
}
