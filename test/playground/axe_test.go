package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axe is axe-core 4.14.1 of the npm registry as it is there, under the MPL 2.0. It
// is part of this test and of no binary; a copy does not change under us, and needs
// neither npm nor a network.
//
//go:embed testdata/axe.min.js
var axe string

// An offence is what axe found wrong.
type offence struct {
	ID, Help string
	Nodes    []struct{ HTML, FailureSummary string }
}

// judge runs all rules of axe over the page as it is, the best practices included.
func (b *browser) judge(state string) {
	b.t.Helper()
	if b.eval(`typeof axe`) == "undefined" {
		if err := chromedp.Do(b.ctx, chromedp.Evaluate[chromedp.Void](axe+";undefined")); err != nil {
			b.t.Fatalf("load axe: %v", err)
		}
	}
	b.await("all has arrived", `document.getAnimations().every((a) => a.animationName !== "arrive" || a.playState === "finished")`)
	b.eval(`(window.verdict = "", axe.run().then(
		(r) => { window.verdict = JSON.stringify({ passed: r.passes.length, found: r.violations }); },
		(err) => { window.verdict = JSON.stringify({ error: String(err) }); }), "")`)
	b.await("axe judges "+state, `window.verdict !== ""`)
	var verdict struct {
		Passed int
		Found  []offence
		Error  string
	}
	if err := json.Unmarshal([]byte(b.eval(`window.verdict`)), &verdict); err != nil || verdict.Error != "" || verdict.Passed == 0 {
		b.t.Fatalf("axe on %s: %v %s, %d rules passed", state, err, verdict.Error, verdict.Passed)
	}
	for _, o := range verdict.Found {
		var where strings.Builder
		for _, n := range o.Nodes {
			fmt.Fprintf(&where, "\n  %s\n    %s", n.HTML, strings.ReplaceAll(n.FailureSummary, "\n", " "))
		}
		b.t.Errorf("%s: %s: %s%s", state, o.ID, o.Help, &where)
	}
}

// like has the user of the browser like a scheme of colours, and checks that the page knows.
func (b *browser) like(scheme string) {
	b.t.Helper()
	err := chromedp.Do(b.ctx, chromedp.Func(func(ctx context.Context, page *chromedp.Target) error {
		_, err := cdp.Call(ctx, page, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
	if err != nil {
		b.t.Fatalf("like %s: %v", scheme, err)
	}
	if got := b.eval(`matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"`); got != scheme {
		b.t.Fatalf("the browser is %s, want %s", got, scheme)
	}
}

// viewports are what the pages are looked at with.
var viewports = []struct {
	name          string
	width, height int64
}{{"a phone", 375, 667}, {"a desk", 1280, 900}}

func (b *browser) resize(width, height int64) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(width, height)); err != nil {
		b.t.Fatalf("resize: %v", err)
	}
}

// judgeAll judges a state in each viewport and each scheme of colours.
func (b *browser) judgeAll(state string) {
	b.t.Helper()
	for _, v := range viewports {
		b.resize(v.width, v.height)
		for _, scheme := range []string{"dark", "light"} {
			b.like(scheme)
			b.judge(state + ", " + scheme + " on " + v.name)
		}
	}
}

func TestAxeFindsNothingOnThePageInAnyState(t *testing.T) {
	t.Parallel()
	p := openPlayground(t, options{wish: anyPort})
	b := openBrowser(t)
	b.open("http://" + p.addrs.Page)
	b.await("both connect", is("ann", "open")+" && "+is("bob", "open"))
	b.judgeAll("empty")

	b.click("#send")
	b.await("an event is there", numbers("ann", ".event")+` === "1"`)
	b.spoil("ann", netGone)
	b.await("she is away", is("ann", "waiting"))
	b.judgeAll("away")
	b.click("#send-three")
	b.await("three are sent", `document.getElementById("caption").textContent === "Sent 3."`)
	b.spoil("ann", netWorks)
	b.awaitFor(time.Minute, "she has what she missed", text("ann", ".note.back")+`.endsWith("missed while away: 3")`)
	b.click("summary")
	b.judgeAll("with events")

	b.click(tab("ann", ".revoke"))
	b.await("she is cut", is("ann", "closed"))
	b.eval(`(document.getElementById("type").value = "", document.getElementById("text").value = "x".repeat(600), document.getElementById("text").maxLength = 600, "")`)
	b.click("#send")
	b.await("the playground refuses", `document.querySelector("#caption.failed") !== null`)
	b.judgeAll("cut and refused")

	b.open("http://" + p.addrs.Page + "/second.html?user=bob&transport=websocket")
	b.await("the second tab is connected", `document.querySelector(".state")?.dataset.state === "open"`)
	b.judgeAll("a second tab")
	b.open("http://" + p.addrs.Page + "/hotel.html")
	b.await("somebody looks at the hotel", `document.getElementById("looking").textContent !== "…"`)
	b.judgeAll("the hotel")
}

func TestAxeFindsNothingOnThePageOfTheClusterInAnyState(t *testing.T) {
	p := openPlayground(t, options{wish: anyPort, members: anyMembers()})
	const patience = 90 * time.Second
	b := openBrowser(t)
	b.open("http://" + p.addrs.Page)
	b.awaitFor(patience, "events flow and all are well",
		counted("received")+` > 20 && document.querySelectorAll(".seat[data-health=ready]").length === 3`)
	b.click("summary")
	b.judgeAll("well")

	b.click(card("n1", "[data-do=kill]"))
	b.awaitFor(patience, "it is down", `document.querySelector(".seat[data-node=n1]").dataset.health === "down"`)
	b.judgeAll("one is down")
	b.click(card("n1", "[data-do=start]"))
	b.awaitFor(patience, "it is back", `document.querySelectorAll(".seat[data-health=ready]").length === 3`)
}
