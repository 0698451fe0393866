package clientchaos

import (
	"context"
	"os"
	"testing"

	"weft/test/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Private(m.Run, nil)) }

// settings are those that pages are opened with; a shared one has two tabs.
var settings = []Setting{
	{"websocket", false}, {"websocket", true},
	{"sse", false}, {"sse", true},
	{"poll", false}, {"poll", true},
	{"", true},
}

// Whatever happens to pages and to what they speak to, each event comes to each page once
// and in order, a reset where one is due and nowhere else, and what a page is told of its
// connection is so.
func TestAPageMissesNothingAndIsToldTheTruth(t *testing.T) {
	if !stage.HasNetwork() {
		t.Log("WARNING: not run: no private network")
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := Start(t, ctx)
	w.StartPages(ctx, settings)
	for _, f := range faults() {
		r, err := w.Play(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		wrong := false
		for p, v := range r.Verdicts {
			for _, fault := range v.Faults {
				wrong = true
				t.Errorf("%s: %s: %s", f.Name, p.Name, fault)
			}
		}
		if wrong {
			break // what comes after would be counted against a false start
		}
	}
}
