package follow

import (
	"strings"
	"testing"
)

// What Count finds is told with where it was.
func TestExplainTellsWhere(t *testing.T) {
	want := []int{1, 2, 3, 4, 5, 6}
	var seen []Entry
	for _, n := range []int{1, 4, 4, Reset, 5} {
		seen = append(seen, Entry{N: n, ID: "x"})
	}
	lines := Explain(seen, want)
	for i, part := range []string{
		"2 to 3 are missing between event 1",
		"event 4 (id x",
		"a reset (id x",
		"6 to 6 are missing after event 5",
	} {
		if i >= len(lines) || !strings.Contains(lines[i], part) {
			t.Fatalf("line %d does not say %q:\n%s", i, part, strings.Join(lines, "\n"))
		}
	}
	if len(lines) != 4 {
		t.Errorf("%d lines, want 4:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	if got := Explain(seen[:1], []int{1}); len(got) != 0 {
		t.Errorf("of a device that missed nothing: %q", got)
	}
}
