package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestTheTableJudgesByValueOrByRatio(t *testing.T) {
	r := newResults(quick)
	r.weft["idle sse bytes"] = []float64{4000, 9000, 5000}
	r.weft["fan-out sse small 1"] = []float64{6}
	r.baseline["fan-out sse small 1"] = []float64{10}
	r.weft["fan-out sse small 8"] = []float64{4}
	r.baseline["fan-out sse small 8"] = []float64{10}
	r.weft["unicast"] = []float64{35, 45}
	r.weft["fan-out sse large 8"] = []float64{1}
	var b strings.Builder
	r.write(&b)
	lines := map[string]string{}
	for line := range strings.Lines(b.String()) {
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		lines[strings.TrimSpace(cells[0])] = strings.Join(strings.Fields(strings.Join(cells[1:], " ")), " ")
	}
	for name, want := range map[string]string{
		"SSE, idle, private memory per connection":                                           "5,000 B ≤ 6,000 B ≤ 3,000 B met",
		"fan-out SSE to an inbox and a topic each, M=1,000, one in flight, CPU per delivery": "6.00 µs 10.00 µs 0.60× ≤ 0.75× ≤ 0.65× goal met",
		"– M=1,000, eight in flight":                                                         "4.00 µs 10.00 µs 0.40× ≤ 0.30× ≤ 0.20× NOT MET",
		"– M=2,000, eight in flight":                                                         "1.00 µs ≤ 0.25× ≤ 0.15× no baseline",
		"NATS → stored → SSE, saturated, CPU per event":                                      "40.0 µs ≤ 40 µs ≤ 30 µs met",
	} {
		if lines[name] != want {
			t.Errorf("%s: %q, want %q", name, lines[name], want)
		}
	}
}

func TestARunWithASlowBaselineIsInvalid(t *testing.T) {
	r := newResults(quick)
	r.baseline["fan-out sse small 1"] = []float64{9, 13, 11}
	if err := checkBaseline(r, io.Discard); err != nil {
		t.Errorf("a median of 11: %v", err)
	}
	r.baseline["fan-out sse small 1"] = []float64{13, 12.1, 11}
	if err := checkBaseline(r, io.Discard); !errors.Is(err, errInvalid) {
		t.Errorf("a median of 12.1: error %v", err)
	}
}

func TestNumbersHaveTheirThousandsApart(t *testing.T) {
	for want, got := range map[string]string{
		"12,345 B":     number(12345.4, 0, "B"),
		"-1,234.50 µs": number(-1234.5, 2, "µs"),
		"999":          number(999, 0, ""),
		"0.25×":        number(0.25, 2, "×"),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestFiguresAreDistinctAndTheirGoalsBelowWhatMustBe(t *testing.T) {
	keys := map[string]bool{}
	for _, f := range figures {
		if keys[f.key] {
			t.Errorf("two figures are called %q", f.key)
		}
		keys[f.key] = true
		if f.goal > f.must {
			t.Errorf("%s: the goal %v is above %v, which must be met", f.name, f.goal, f.must)
		}
	}
}

func TestADriveSaysWhatIsMissing(t *testing.T) {
	for args, want := range map[string]string{
		"-url http://127.0.0.1:1/":                            "-pid is missing",
		"-pid 1 -url ftp://127.0.0.1:1/":                      "does not begin with",
		"-pid 1 -url http://127.0.0.1:1/ -http2":              "needs an https url",
		"-pid 1 -url http://127.0.0.1:1/ -n 10 -users 3":      "evenly",
		"-pid 1 -url http://127.0.0.1:1/ -header nothing":     "not of the form",
		"-pid 1 -url http://127.0.0.1:1/ -n 0":                "-n 0",
		"-pid 1 -url http://127.0.0.1:1/ -settle 1s":          "-settle 1s",
		"-pid 1 -url http://{user}:1/ -settle 0":              "template as host",
		"-pid 1 -url http://127.0.0.1:1/ -n 1 -for 2h -n 100": "-for 2h",
	} {
		err := driveCommand(t.Context(), strings.Fields(args))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", args, err, want)
		}
	}
}

func TestPublishersSayWhatTheyDoNotUnderstand(t *testing.T) {
	for _, template := range []string{"", "nats://127.0.0.1:4222", "nats://127.0.0.1:4222/", "kafka://x/y"} {
		if p, err := openPublisher(template); err == nil {
			p.close()
			t.Errorf("%q was understood", template)
		}
	}
}

func TestAKeyOfWeftIsSetByItsVariable(t *testing.T) {
	var p program
	if err := errors.Join(p.set("tuning.raw_calls=false"), p.set("auth.user=/a=b")); err != nil {
		t.Fatal(err)
	}
	if want := []string{"WEFT_TUNING_RAW_CALLS=false", "WEFT_AUTH_USER=/a=b"}; !slices.Equal(p.environ, want) {
		t.Errorf("got %q, want %q", p.environ, want)
	}
	if err := p.set("tuning.raw_calls"); err == nil {
		t.Error("a key without a value is set")
	}
}

func TestATailSaysWhatItDoesNotMeasure(t *testing.T) {
	for _, args := range []string{"-pace 0", "-pace 1000000", "-users 1", "-size 0", "-rounds 0", "-for 1ms", "-for 2h"} {
		if err := tailCommand(t.Context(), strings.Fields(args)); err == nil || !strings.Contains(err.Error(), "-pace is between") {
			t.Errorf("%s: error %v, want one that tells the bounds", args, err)
		}
	}
}

func TestTheRatioOfTwoServersIsThatOfTheirRounds(t *testing.T) {
	if got := ratio([]float64{10, 300, 1}, []float64{20, 100, 1}); got != 1 {
		t.Errorf("got %v, want 1", got)
	}
}
