package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What a label can be is written where it is counted, and once more where its
// series begin at 0. Both must name the same.
func TestEachValueOfALabelThatTheSourceNamesBeginsAtZero(t *testing.T) {
	reg := registry(t)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	begun := map[string]bool{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				begun[f.GetName()+" "+l.GetName()+" "+l.GetValue()] = true
			}
		}
	}
	for _, c := range []struct{ files, pattern, series string }{
		{"../../bridge/ingest/*.go", `problem\.New\(problem\.(\w+),`, "weft_ingest_events_total outcome "},
		{"../../bridge/record.go", `Cause = "(\w+)"`, "weft_kafka_unplaced_total cause "},
		{"../../jetstream/ingress/*.go", `refused\w+ += "(\w+)"`, "weft_jetstream_publishes_refused_total cause "},
		{"../../edge/access/limits.go", `l\.refuse\("(\w+)"`, "weft_admit_refusals_total limit "},
		{"../../edge/auth/*.go", `verified\.WithLabelValues\("(\w+)"`, "weft_auth_verifications_total result "},
		{"../../edge/auth/jwks.go", `fetch\w+ += "(\w+)"`, "weft_auth_jwks_fetches_total result "},
		{"../../edge/problem/problem.go", `Code = "(\w+)"`, "weft_edge_refusals_total code "},
	} {
		files, err := filepath.Glob(c.files)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(c.pattern).FindAllSubmatch(text, -1) {
				found++
				if value := snake(string(m[1])); !begun[c.series+value] {
					t.Errorf("%s counts %s%s, which does not begin at 0", file, c.series, value)
				}
			}
		}
		if found == 0 {
			t.Errorf("%s names nothing like %s", c.files, c.pattern)
		}
	}
}

var inner = regexp.MustCompile(`([a-z])([A-Z])`)

// snake is the value of a constant of package problem: bad_request of BadRequest.
func snake(name string) string {
	return strings.ToLower(inner.ReplaceAllString(name, "${1}_$2"))
}
