package follow

import "testing"

// The count finds each kind of fault, so that a chaos run that finds none says
// something.
func TestTallyFindsEveryFault(t *testing.T) {
	want := []int{0, 1, 2, 3, 4}
	for _, c := range []struct {
		name string
		seen []int
		want []int
		Tally
	}{
		{"all", []int{0, 1, 2, 3, 4}, want, Tally{Delivered: 5}},
		{"a loss", []int{0, 1, 3, 4}, want, Tally{Delivered: 4, Lost: 1}},
		{"a loss at the end", []int{0, 1, 2}, want, Tally{Delivered: 3, Lost: 2}},
		{"nothing", nil, want, Tally{Lost: 5}},
		{"a duplicate", []int{0, 1, 1, 2, 3, 4}, want, Tally{Delivered: 5, Doubled: 1}},
		{"two in the wrong order", []int{0, 2, 1, 3, 4}, want, Tally{Delivered: 4, Lost: 1, Reordered: 1}},
		{"a covered gap", []int{0, Reset, 3, 4}, want, Tally{Delivered: 3, Skipped: 2, Resets: 1}},
		{"a covered end", []int{0, Reset}, want, Tally{Delivered: 1, Skipped: 4, Resets: 1}},
		{"a false reset", []int{0, 1, Reset, 2, 3, 4}, want, Tally{Delivered: 5, Resets: 1, FalseResets: 1}},
		{"a gap after a reset", []int{0, Reset, 2, 4}, want, Tally{Delivered: 3, Skipped: 1, Lost: 1, Resets: 1}},
		{"sent twice", []int{0, 1, 2, 1, 2, 3}, []int{0, 1, 2, 1, 2, 3}, Tally{Delivered: 6}},
		{"sent twice, seen once", []int{0, 1, 2, 3}, []int{0, 1, 2, 1, 2, 3}, Tally{Delivered: 4, Lost: 2}},
	} {
		c.Connections = 1
		if got := Count(c.seen, c.want); got != c.Tally {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.Tally)
		}
	}
}
