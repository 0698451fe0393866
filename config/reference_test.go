package config

import (
	"strings"
	"testing"
)

func TestEachKeyHasAMeaningAndEachMeaningAKey(t *testing.T) {
	means := meanings()
	for _, l := range leavesOf(configType) {
		if means[l.key] == "" {
			t.Errorf("%s has no meaning in meanings.txt", l.key)
		}
		delete(means, l.key)
	}
	for key := range means {
		t.Errorf("meanings.txt explains %s, which is no key", key)
	}
}

func TestTheReferenceNamesKeyVariableAndDefault(t *testing.T) {
	var b strings.Builder
	if err := WriteReference(&b); err != nil {
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
