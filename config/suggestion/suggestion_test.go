package suggestion

import (
	"strings"
	"testing"
)

func TestTheNearestNameIsSuggested(t *testing.T) {
	known := []string{"subject", "type", "last_event_id", "wait"}
	for name, want := range map[string]string{
		"subjects": "subject", "Subject": "subject", "sbuject": "subject", "LAST-EVENT-ID": "last_event_id",
		"tpye": "type", "completely_different": "", "": "", strings.Repeat("subject", 100): "",
	} {
		if got := Nearest(name, known); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestASuggestionEndsASentence(t *testing.T) {
	if got := DidYouMean("tipe", []string{"type"}); got != "; did you mean type?" {
		t.Error(got)
	}
	if got := DidYouMean("x1234567", []string{"type"}); got != "" {
		t.Error(got)
	}
}
