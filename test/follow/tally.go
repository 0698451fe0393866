package follow

import "slices"

// A Tally compares what connections saw with what their users' records were.
type Tally struct {
	Connections int
	Delivered   int
	Lost        int // missing and not covered by a reset
	Skipped     int // missing and covered by one
	Doubled     int
	Reordered   int
	Resets      int
	FalseResets int // resets that covered no gap
}

// Count goes through what one connection saw. want holds the numbers in the order
// of the topic, in which a producer may have put some twice.
func Count(seen, want []int) Tally {
	t := Tally{Connections: 1}
	next := 0      // index in want of what should come now
	pending := 0   // resets since the last number
	var past []int // what has come
	for _, n := range seen {
		if n == Reset {
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
func (t *Tally) gap(n, resets int) {
	switch {
	case resets == 0:
		t.Lost += n
	case n == 0:
		t.FalseResets += resets
	default:
		t.Skipped += n
	}
}

// Add sums up.
func (t *Tally) Add(o Tally) {
	t.Connections += o.Connections
	t.Delivered += o.Delivered
	t.Lost += o.Lost
	t.Skipped += o.Skipped
	t.Doubled += o.Doubled
	t.Reordered += o.Reordered
	t.Resets += o.Resets
	t.FalseResets += o.FalseResets
}

// Faultless reports whether nothing was lost, doubled or reordered, and no reset was
// false.
func (t *Tally) Faultless() bool { return t.Lost+t.Doubled+t.Reordered+t.FalseResets == 0 }
