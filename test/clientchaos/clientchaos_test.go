package clientchaos

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"weft/test/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Private(m.Run, nil)) }

// settings are those that pages are opened with; a shared one has two tabs. In a plain test each
// comes one way, at length there are more.
func settings() []Setting {
	all := []Setting{
		{"websocket", false, balancerTLS}, {"websocket", true, ""},
		{"sse", false, nodeTLS}, {"sse", true, balancerTLS},
		{"poll", false, balancerTLS}, {"poll", true, ""},
		{"", true, balancerTLS},
	}
	if atLength() {
		all = append(all, []Setting{
			{"websocket", false, ""}, {"websocket", true, balancerTLS}, {"websocket", false, nodeTLS},
			{"sse", false, ""}, {"sse", true, ""}, {"sse", false, balancerTLS},
			{"poll", false, ""}, {"poll", true, balancerTLS}, {"poll", false, nodeTLS},
			{"", true, ""},
		}...)
	}
	return all
}

// planned yields the faults to do: each once, and at length then those that come up at
// random until the time is over.
func planned(t *testing.T) func(yield func(Fault) bool) {
	all, random := faults(), time.Duration(0)
	if only := os.Getenv("WEFT_CLIENTCHAOS_ONLY"); only != "" {
		names := strings.Split(only, ",")
		all = slices.DeleteFunc(all, func(f Fault) bool { return !slices.Contains(names, f.Name) })
		if len(all) != len(names) {
			t.Fatalf("WEFT_CLIENTCHAOS_ONLY=%s names a fault that there is not", only)
		}
	} else if !atLength() {
		all = briefly()
	}
	if atLength() {
		var err error
		if random, err = time.ParseDuration(os.Getenv("WEFT_CLIENTCHAOS")); err != nil || random < 0 {
			t.Fatalf("WEFT_CLIENTCHAOS=%s is no duration", os.Getenv("WEFT_CLIENTCHAOS"))
		}
	}
	until := time.Now().Add(random)
	return func(yield func(Fault) bool) {
		for _, f := range all {
			if !yield(f) {
				return
			}
		}
		for time.Now().Before(until) && yield(all[rand.IntN(len(all))]) {
		}
	}
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
	next := planned(t)
	w := Start(t, ctx)
	w.StartPages(ctx, settings())
	report := Report{Title: fmt.Sprintf("Pages in Chromium, %s, on %d cores, begun %s.",
		cmp.Or(os.Getenv("WEFT_CLIENTCHAOS"), "briefly"), runtime.NumCPU(), time.Now().Format(time.DateTime))}
	defer func() { t.Logf("\n%s", &report) }()
	for f := range next {
		r, err := w.Play(ctx, f)
		if err != nil {
			t.Error(err)
			return
		}
		report.Enter(r)
		if file := os.Getenv("WEFT_CLIENTCHAOS_REPORT"); file != "" {
			if err := os.WriteFile(file, []byte(report.Markdown()), 0o644); err != nil {
				t.Error(err)
			}
		}
		for _, v := range r.Verdicts {
			for _, fault := range v.Faults {
				t.Errorf("%s: %s: %s", f.Name, v.Page.Name, fault)
			}
		}
		if t.Failed() {
			return // what comes after would be counted against a false start
		}
	}
}

// A page that nobody looks at for long has its timers once a minute: it loses neither events nor
// its session, and is back when it is shown.
func TestAHiddenPageMissesNothing(t *testing.T) {
	if !stage.HasNetwork() || !atLength() {
		t.Log("not run: no private network, or not at length")
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := Start(t, ctx,
		chromedp.Flag("disable-background-timer-throttling", false),
		chromedp.Flag("disable-renderer-backgrounding", false),
		chromedp.Flag("enable-features", "IntensiveWakeUpThrottling:grace_period_seconds/5"))
	w.StartPages(ctx, settings())
	r, err := w.Play(ctx, hidden)
	if err != nil {
		t.Fatal(err)
	}
	report := Report{Title: "Pages that are hidden."}
	report.Enter(r)
	t.Logf("\n%s", &report)
	for _, v := range r.Verdicts {
		for _, fault := range v.Faults {
			t.Errorf("%s: %s", v.Page.Name, fault)
		}
	}
}
