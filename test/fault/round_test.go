package fault

import (
	"strings"
	"testing"
	"time"

	"weft/test/follow"
)

// at makes entries of one connection that came so many milliseconds after a moment.
func at(begin time.Time, connection int, milliseconds ...int) []follow.Entry {
	var entries []follow.Entry
	for i, ms := range milliseconds {
		entries = append(entries, follow.Entry{N: i + 1, At: begin.Add(time.Duration(ms) * time.Millisecond), Connection: connection,
			Since: begin})
	}
	return entries
}

// A silence is what a connection that lived through it was without events; what a
// device missed while it was away is not.
func TestASilenceIsMeasuredOnOneConnection(t *testing.T) {
	begin := time.Now()
	seen := append(at(begin, 1, 0, 50, 400, 450), at(begin, 2, 2450, 2500)...)
	if gap, until := longestGap(seen); gap != 350*time.Millisecond || until.N != 3 {
		t.Errorf("a gap of %v until event %d, want 350ms until event 3", gap, until.N)
	}
}

// An event for a quiet user is late by the time since its acknowledgement, unless the
// connection came after that.
func TestALateEventIsMeasuredFromItsAcknowledgement(t *testing.T) {
	begin := time.Now()
	seen := at(begin, 1, 110, 5000, 9000)
	seen[2].Since = begin.Add(8 * time.Second)
	accepted := []receipt{{1, begin.Add(100 * time.Millisecond)}, {2, begin.Add(4 * time.Second)}, {3, begin.Add(6 * time.Second)}}
	if delay, late := longestDelay(seen, accepted); delay != time.Second || late.N != 2 {
		t.Errorf("event %d was late by %v, want event 2 by 1s", late.N, delay)
	}
}

func TestTheTableHoldsOneLineForEachFault(t *testing.T) {
	var r Report
	for i := range 20 {
		r.Enter(&Round{Fault: "kill", Accepted: 10, Silence: time.Duration(i+1) * time.Second, Elected: Elections{"EVENTS": 1 + i/19*19, "meta": 1 - i/19}, Tally: follow.Tally{Lost: 1}})
	}
	r.Enter(&Round{Fault: "restart"})
	lines := strings.Split(strings.TrimSpace(r.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines, want a head, two faults and the calm time:\n%s", len(lines), &r)
	}
	want := "kill 20 200 0 20 0 0 0 0 10.00s 19.00s 20.00s 0.00s 0.00s 0.00s 0.00s 0.00s 0.00s 2 20"
	if got := strings.Join(strings.Fields(lines[1]), " "); got != want {
		t.Errorf("line %q\nwant %q", got, want)
	}
}
