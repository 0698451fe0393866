package transport

import (
	"slices"
	"testing"
	"time"
)

func TestThePastIsReadAsADurationOrATime(t *testing.T) {
	now := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"all":                       time.Unix(0, 0),
		"1h30m":                     now.Add(-90 * time.Minute),
		"0s":                        now,
		"2026-01-01T00:00:00Z":      time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		"2026-01-01T00:00:00.5Z":    time.Date(2026, 1, 1, 0, 0, 0, 5e8, time.UTC),
		"2026-01-01T02:00:00 02:00": time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), // whose + was not encoded
		"2300-01-01T00:00:00Z":      time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		if got, err := parseSince(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"-1h", "1", "1d", "yesterday", "2026-01-01", "0001-01-01T00:00:00Z", "ALL"} {
		if got, err := parseSince(text, now); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestCopiedSubjectsAreTheSubjects(t *testing.T) {
	for _, subjects := range [][]string{nil, {"user.ann"}, {"topic.a", "", "presence.topic.a", "topic.b"}} {
		if got := together(subjects); !slices.Equal(got, subjects) {
			t.Errorf("%q became %q", subjects, got)
		}
	}
}
