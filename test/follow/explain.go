package follow

import (
	"fmt"
	"slices"
)

// explained bounds the lines of Explain.
const explained = 12

// Explain tells where what was seen differs from want, for the message of a failed
// test: each entry that should not have come then, with the one before it.
func Explain(seen []Entry, want []int) []string {
	var lines []string
	next := 0
	before := "the start"
	for _, e := range seen {
		here := fmt.Sprintf("%s (id %s, %s, connection %d over %s at %q)", number(e.N), e.ID, e.At.Format("15:04:05.000"), e.Connection, e.Over, e.Node)
		i := -1
		if e.N != Reset {
			i = slices.Index(want[next:], e.N)
		}
		if i > 0 {
			lines = append(lines, fmt.Sprintf("  %d to %d are missing between %s and %s", want[next], want[next+i-1], before, here))
		}
		if i < 0 {
			lines = append(lines, fmt.Sprintf("  %s came after %s", here, before))
		} else {
			next += i + 1
		}
		before = here
	}
	if next < len(want) {
		lines = append(lines, fmt.Sprintf("  %d to %d are missing after %s", want[next], want[len(want)-1], before))
	}
	if len(lines) > explained {
		lines = append(lines[:explained], fmt.Sprintf("  and %d more", len(lines)-explained))
	}
	return lines
}

func number(n int) string {
	if n == Reset {
		return "a reset"
	}
	return fmt.Sprintf("event %d", n)
}
