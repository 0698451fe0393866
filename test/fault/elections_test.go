package fault

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestElectionsAreReadFromMetrics(t *testing.T) {
	terms, err := readTerms(strings.NewReader(`# HELP weft_jetstream_elections_total Elections
# TYPE weft_jetstream_elections_total counter
weft_jetstream_elections_total{group="EVENTS"} 12
weft_jetstream_elections_total{group="meta"} 1.2e+06
weft_jetstream_leader{group="EVENTS"} 1
`))
	if err != nil || len(terms) != 2 || terms["EVENTS"] != 12 || terms["meta"] != 1_200_000 {
		t.Errorf("%v, %v", terms, err)
	}
	if _, err := readTerms(strings.NewReader(`weft_jetstream_elections_total{group="EVENTS"} many`)); err == nil {
		t.Error("a number that is none was read")
	}
}

// A node that was away knows of fewer elections, and one that is new to a group begins
// with those of the others: neither is an election.
func TestElectionsAreTheDifferenceOfWhatTheNodesKnow(t *testing.T) {
	known := Terms{"EVENTS": 4}
	known.take(Terms{"EVENTS": 2, "meta": 7})
	later := Terms{"EVENTS": 6, "meta": 7, "blacklist": 9}
	found := later.since(known)
	if found.sum() != 2 || found.String() != "EVENTS 2" {
		t.Errorf("elections: %v, want two of EVENTS", found)
	}
	if s := (Elections{}).String(); s != "none" {
		t.Errorf("no elections are %q", s)
	}
}

func TestEachHourWithoutAFaultMayHaveOneElection(t *testing.T) {
	for calm, most := range map[time.Duration]int{time.Minute: 1, time.Hour: 1, time.Hour + time.Minute: 2, 3 * time.Hour: 3} {
		if got := mostElections(calm); got != most {
			t.Errorf("%v: %d elections are permitted, want %d", calm, got, most)
		}
	}
}

// The report says of each round what was elected in it, and adds up the time in which
// nothing should have been.
func TestTheReportTellsElectionsWithAndWithoutAFault(t *testing.T) {
	var r Report
	r.Enter(&Round{Fault: "kill", Elected: Elections{"EVENTS": 1, "meta": 2}, Calm: Calm{For: time.Minute}})
	r.Enter(&Round{Fault: "nothing", Calm: Calm{For: time.Hour, Elected: Elections{"EVENTS": 2}}})
	if calm := r.Calm(); calm.For != time.Hour+time.Minute || calm.Elected.String() != "EVENTS 2" {
		t.Errorf("calm: %+v", calm)
	}
	text := r.Markdown()
	for _, want := range []string{"| kill | 1 |", " 3 | 3 |\n", " 0 | 0 |\n", "without a fault: 1h1m0s, elections: EVENTS 2, at most 2"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestTheLogOfARoundBeginsWithIt(t *testing.T) {
	since := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	lines := []string{`{"time":"2026-03-01T11:59:59Z","msg":"a"}`, "panic: b", `{"time":"2026-03-01T13:00:00.5+01:00","msg":"c"}`, "panic: d",
		`{"msg":"no time"}`}
	if got := logSince(lines, since); !slices.Equal(got, lines[2:]) {
		t.Errorf("%q", got)
	}
}
