package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// A tally compares what connections saw with what their users' records were.
type tally struct {
	Connections int
	Delivered   int
	Lost        int // missing and not covered by a reset
	Skipped     int // missing and covered by one
	Doubled     int
	Reordered   int
	Resets      int
	FalseResets int // resets that covered no gap
}

// count goes through what one connection saw. want holds the numbers in the order
// of the topic, in which a producer may have put some twice.
func count(seen, want []int) tally {
	t := tally{Connections: 1}
	next := 0      // index in want of what should come now
	pending := 0   // resets since the last number
	var past []int // what has come
	for _, n := range seen {
		if n == resetMark {
			t.Resets++
			pending++
			continue
		}
		i := slices.Index(want[next:], n)
		switch {
		case i < 0 && slices.Contains(past, n):
			t.Doubled++
		case i < 0:
			t.Reordered++
		default:
			t.Delivered++
			t.gap(i, pending)
			next += i + 1
			pending = 0
		}
		past = append(past, n)
	}
	t.gap(len(want)-next, pending)
	return t
}

// gap books a gap of n numbers with the resets that came in it.
func (t *tally) gap(n, resets int) {
	switch {
	case resets == 0:
		t.Lost += n
	case n == 0:
		t.FalseResets += resets
	default:
		t.Skipped += n
	}
}

func (t *tally) add(o tally) {
	t.Connections += o.Connections
	t.Delivered += o.Delivered
	t.Lost += o.Lost
	t.Skipped += o.Skipped
	t.Doubled += o.Doubled
	t.Reordered += o.Reordered
	t.Resets += o.Resets
	t.FalseResets += o.FalseResets
}

func (t *tally) table(size chaosSize, kills, held int, took time.Duration) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range []struct {
		name  string
		value any
	}{
		{"users", size.users}, {"connections", t.Connections}, {"records sent", size.records},
		{"records in the topic", held}, {"kills", kills}, {"delivered", t.Delivered}, {"lost", t.Lost},
		{"doubled", t.Doubled}, {"reordered", t.Reordered}, {"resets", t.Resets},
		{"resets without a gap", t.FalseResets}, {"skipped under a reset", t.Skipped},
		{"took", took.Round(time.Second)},
	} {
		fmt.Fprintf(w, "%s\t%v\t\n", row.name, row.value)
	}
	w.Flush()
	return b.String()
}

// The count finds each kind of fault, so that a chaos run that finds none says
// something.
func TestTallyFindsEveryFault(t *testing.T) {
	want := []int{0, 1, 2, 3, 4}
	for _, c := range []struct {
		name string
		seen []int
		want []int
		tally
	}{
		{"all", []int{0, 1, 2, 3, 4}, want, tally{Delivered: 5}},
		{"a loss", []int{0, 1, 3, 4}, want, tally{Delivered: 4, Lost: 1}},
		{"a loss at the end", []int{0, 1, 2}, want, tally{Delivered: 3, Lost: 2}},
		{"nothing", nil, want, tally{Lost: 5}},
		{"a duplicate", []int{0, 1, 1, 2, 3, 4}, want, tally{Delivered: 5, Doubled: 1}},
		{"two in the wrong order", []int{0, 2, 1, 3, 4}, want, tally{Delivered: 4, Lost: 1, Reordered: 1}},
		{"a covered gap", []int{0, resetMark, 3, 4}, want, tally{Delivered: 3, Skipped: 2, Resets: 1}},
		{"a covered end", []int{0, resetMark}, want, tally{Delivered: 1, Skipped: 4, Resets: 1}},
		{"a false reset", []int{0, 1, resetMark, 2, 3, 4}, want, tally{Delivered: 5, Resets: 1, FalseResets: 1}},
		{"a gap after a reset", []int{0, resetMark, 2, 4}, want, tally{Delivered: 3, Skipped: 1, Lost: 1, Resets: 1}},
		{"sent twice", []int{0, 1, 2, 1, 2, 3}, []int{0, 1, 2, 1, 2, 3}, tally{Delivered: 6}},
		{"sent twice, seen once", []int{0, 1, 2, 3}, []int{0, 1, 2, 1, 2, 3}, tally{Delivered: 4, Lost: 2}},
	} {
		c.Connections = 1
		if got := count(c.seen, c.want); got != c.tally {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.tally)
		}
	}
}
