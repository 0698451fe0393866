package main

import (
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
)

// The counters of the cluster's page can be trusted when they stay at zero only
// if they move when something is wrong.
func TestThePageCountsWhatIsWrong(t *testing.T) {
	p := testPage(&recorder{})
	s := httptest.NewUnstartedServer(nil)
	p.addrs.Page = s.Listener.Addr().String()
	s.Config.Handler = p.handler()
	s.Start()
	defer s.Close()
	b := openBrowser(t)
	b.open(s.URL + "/tally.js")

	for _, c := range []struct{ name, arrivals, want string }{
		{"all is well", `k3 h1 k4 n7 h2 k5`, "received 6 lost 0 doubled 0 reordered 0 sent 6"},
		{"one is skipped", `k1 k2 k4`, "received 3 lost 1 doubled 0 reordered 0 sent 4"},
		{"one comes late", `k1 k3 k2 k4`, "received 4 lost 0 doubled 0 reordered 1 sent 4"},
		{"one comes twice", `k1 k2 k2 k1 k3`, "received 3 lost 0 doubled 2 reordered 0 sent 3"},
		{"one that came late comes twice", `k1 k3 k2 k2`, "received 3 lost 0 doubled 1 reordered 1 sent 3"},
		{"the ways do not mix", `k1 h1 n1 k2 h3`, "received 5 lost 1 doubled 0 reordered 0 sent 6"},
	} {
		got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`(async () => {
			const { Tally } = await import("/tally.js");
			const tally = new Tally();
			for (const a of "`+c.arrivals+`".split(" ")) tally.arrived(a[0], Number(a.slice(1)), 0);
			return ["received", "lost", "doubled", "reordered"].map((n) => n + " " + tally[n]).join(" ") + " sent " + tally.sent({});
		})()`, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}

	silence, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`(async () => {
		const { Tally } = await import("/tally.js");
		const tally = new Tally();
		tally.arrived("k", 1, 1000);
		tally.arrived("k", 2, 3500);
		tally.rest();
		tally.arrived("k", 3, 9000);
		return tally.longest + " " + tally.silence(9100);
	})()`, chromedp.EvalAwaitPromise))
	if err != nil || silence != "2500 100" {
		t.Errorf("longest silence and the one now: %q, %v; want 2500 100", silence, err)
	}
}
