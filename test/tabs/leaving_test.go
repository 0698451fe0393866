package tabs

import (
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// The process of the page that leads dies, without a word to the others.
func TestATabThatLeadsAndCrashesIsReplaced(t *testing.T) {
	t.Parallel()
	b := chromium(t)
	node := tabsNode(t, b)
	leads := shares(t, b.NewTab(t), node, stage.Token(t, "ann", nil), "{}")
	leads.awaitOpen()
	stays := shares(t, leads.Beside(), node, stage.Token(t, "ann", nil), "{}")
	stays.awaitOpen()
	if is := stays.state(); !is.Shared {
		t.Fatalf("the second tab has a connection of its own: %+v", is)
	}
	enough := publishing(t, node, "ann")
	stays.has(1)
	leads.Crash()
	waitfor.Within(t, time.Minute, "the other one leads", func() bool { is := stays.state(); return is.State == "open" && !is.Shared })
	stays.has(enough())
}

// A page is left, kept by the browser, and come back to: it has missed nothing, and has not kept the
// connection from the others meanwhile.
func TestAPageThatIsComeBackToHasMissedNothing(t *testing.T) {
	t.Parallel()
	b := chromium(t)
	node := tabsNode(t, b)
	first := shares(t, b.NewTab(t), node, stage.Token(t, "ann", nil), "{}")
	first.awaitOpen()
	second := shares(t, first.Beside(), node, stage.Token(t, "ann", nil), "{}")
	second.awaitOpen()
	enough := publishing(t, node, "ann")
	last := 1
	for _, of := range [][2]sharer{{first, second}, {second, first}} {
		leads, stays := of[0], of[1]
		leads.has(last)
		leads.Run(`(window.kept = false, addEventListener("pageshow", e => { kept = e.persisted }))`)
		leads.Visit(b.Origin + "/elsewhere")
		waitfor.Within(t, time.Minute, "the other one leads", func() bool { is := stays.state(); return is.State == "open" && !is.Shared })
		last = stays.isWhole() + 1
		stays.has(last)
		leads.Back()
		waitfor.Within(t, time.Minute, "the page is shown as it was left", func() bool { return leads.Run("window.kept") == "true" })
		leads.has(last)
		leads.awaitOpen()
	}
	last = enough()
	first.has(last)
	second.has(last)
	waitfor.Within(t, time.Minute, "one connection", func() bool { return connections(t, node, "ann") == 1 })
	if first.Run("resets") != "0" || second.Run("resets") != "0" {
		t.Error("resets")
	}
}
