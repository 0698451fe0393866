package tabs

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// Over HTTP/1.1 a browser has six connections to a host; twelve tabs need one.
func TestTwelveTabsHaveOneConnection(t *testing.T) {
	t.Parallel()
	b := chromium(t)
	node := tabsNode(t, b)
	first := b.NewTab(t)
	var tabs []sharer
	for i := range 12 {
		tab := first
		if i > 0 {
			tab = first.Beside()
		}
		tabs = append(tabs, shares(t, tab, node, stage.Token(t, "ann", stage.Claims{"jti": fmt.Sprint("tab", i)}), `{transports: ["sse"]}`))
	}
	for _, s := range tabs {
		s.awaitOpen()
	}
	numbers(t, node, 1, 20)
	for _, s := range tabs {
		s.has(20)
	}
	waitfor.Within(t, time.Minute, "12 tabs have one connection", func() bool { return connections(t, node, "ann") == 1 })
	for _, s := range tabs {
		if n := s.got()[0]; n != 1 {
			t.Errorf("the first event of a page that is open is %d", n)
		}
	}
}

// Whichever tab leads is closed while events come, again and again; those that stay miss nothing
// and get nothing twice.
func TestClosingTheTabThatLeadsLosesNothing(t *testing.T) {
	t.Parallel()
	b := chromium(t)
	node := tabsNode(t, b)
	visitor := b.NewTab(t) // who stays; the tabs are hers
	var tabs []sharer
	open := func() {
		tabs = append(tabs, shares(t, visitor.Beside(), node, stage.Token(t, "ann", nil), "{}"))
	}
	open()
	open()
	open()
	enough := publishing(t, node, "ann")
	for range 50 {
		i := leading(t, tabs)
		tabs[i].isWhole()
		tabs[i].Shut()
		tabs = slices.Delete(tabs, i, i+1)
		open()
	}
	for _, s := range tabs {
		s.awaitOpen()
	}
	last := enough() + 1
	numbers(t, node, last, last)
	for _, s := range tabs {
		s.has(last)
	}
}

// A tab that leads and is frozen without a word is left alone by the others; when it is thawed
// it has missed nothing, and does not disturb them.
func TestATabThatLeadsAndIsFrozenIsReplaced(t *testing.T) {
	t.Parallel()
	b := chromium(t)
	node := tabsNode(t, b)
	var tabs []sharer
	for i := range 3 {
		tab := b.NewTab(t)
		if i > 0 {
			tab = tabs[0].Beside()
		}
		tab.Run(`(window.addEventListener("freeze", e => e.stopImmediatePropagation(), true), 0)`)
		tabs = append(tabs, shares(t, tab, node, stage.Token(t, "ann", nil), "{}"))
		tabs[i].awaitOpen()
	}
	enough := publishing(t, node, "ann")
	for _, s := range tabs {
		s.has(1)
	}
	i := leading(t, tabs)
	frozen := tabs[i]
	others := slices.Delete(slices.Clone(tabs), i, i+1)
	frozen.Freeze(true)
	leading(t, others)
	frozen.Freeze(false)
	last := enough()
	for _, s := range tabs {
		s.has(last)
	}
	if n := frozen.Run("resets"); n != "0" {
		t.Errorf("%s resets", n)
	}
	waitfor.Within(t, time.Minute, "one connection", func() bool { return connections(t, node, "ann") == 1 })
}

// Two users in the tabs of one browser have a connection each and see nothing of each other;
// when the session of a tab that leads is revoked it is closed for good, and the other one goes on
// with its own.
func TestTabsOfTwoUsersShareNothing(t *testing.T) {
	t.Parallel()
	b := chromium(t)
	node := tabsNode(t, b)
	visitor := b.NewTab(t)
	open := func(user, session string) sharer {
		s := shares(t, visitor.Beside(), node, stage.Token(t, user, stage.Claims{"jti": session}), `{subjects: ["topic.hotel.1"]}`)
		s.awaitOpen()
		return s
	}
	ann, again, bob := open("ann", "a1"), open("ann", "a2"), open("bob", "b1")
	for user, n := range map[string]int{"ann": 1, "bob": 1} {
		waitfor.Within(t, time.Minute, "one connection of "+user, func() bool { return connections(t, node, user) == n })
	}
	if is := bob.state(); is.Shared {
		t.Errorf("bob's page shares: %+v", is)
	}
	numbers(t, node, 1, 10)
	ann.has(10)
	again.has(10)
	if got := bob.got(); len(got) != 0 {
		t.Errorf("bob's page has %v of ann's", got)
	}

	if status, text := asked(t, http.MethodPut, node.AdminURL()+"/_weft/v1/blacklist/a1", ""); status/100 != 2 {
		t.Fatalf("%d %s", status, text)
	}
	// If another one leads by now, on a busy machine, a minute may pass until it asks.
	waitfor.Within(t, 2*time.Minute, "the page whose session is revoked is closed", func() bool { is := ann.state(); return is.State == "closed" && is.Reason == "revoked" })
	waitfor.Within(t, time.Minute, "the other one leads", func() bool { is := again.state(); return is.State == "open" && !is.Shared })
	numbers(t, node, 11, 12)
	again.has(12)
	if last := ann.isWhole(); last != 10 {
		t.Errorf("a page that is closed has event %d", last)
	}
}
