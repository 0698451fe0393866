package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/test/browser"
	"weft/test/stage"
)

// A sharer is a tab whose page follows by the client.
type sharer struct {
	*browser.Tab
	t *testing.T
}

// shares lets the page of a tab follow by the client, and keep what it is told.
func shares(t *testing.T, tab *browser.Tab, node *stage.Node, token, options string) sharer {
	t.Helper()
	tab.Run(fmt.Sprintf(`(async () => {
		window.got = [], window.resets = 0, window.states = []
		const { connect } = await import("%[1]s/_weft/v1/client.js")
		window.weft = connect({ url: %[1]q, token: %[2]q, ...%[3]s })
		weft.on("*", e => got.push(e.data.n))
		weft.onReset(() => resets++)
		weft.onState(s => states.push(s))
	})().catch(e => { window.got = String(e) })`, node.URL(), token, options))
	return sharer{tab, t}
}

// tabsNode is a node that keeps all that a test publishes.
func tabsNode(t *testing.T, b *browser.Browser) *stage.Node {
	t.Helper()
	return pageNode(t, b, func(s stage.Config) {
		s.With("public.keepalive", "1s").With("events.max_per_subject", 100_000).With("auth.allow", []string{"topic.hotel.*", "presence.topic.hotel.*"})
	})
}

type shownState struct {
	State, Reason, Transport string
	Shared                   bool
}

func (s sharer) state() shownState {
	s.t.Helper()
	var is shownState
	if err := json.Unmarshal([]byte(s.Run(`JSON.stringify(window.weft?.state ?? {})`)), &is); err != nil {
		s.t.Fatal(err)
	}
	return is
}

func (s sharer) awaitOpen() {
	s.t.Helper()
	eventually(s.t, time.Minute, "the page is open", func() bool { return s.state().State == "open" })
}

// got is what the page has had: the numbers of events.
func (s sharer) got() []int {
	s.t.Helper()
	var got []int
	if text := s.Run("JSON.stringify(window.got)"); json.Unmarshal([]byte(text), &got) != nil {
		s.t.Fatalf("the page has %s", text)
	}
	return got
}

// isWhole checks that all has come once and in order, from the first event that came, and
// returns the last one.
func (s sharer) isWhole() int {
	s.t.Helper()
	got := s.got()
	for i, n := range got {
		if n != got[0]+i {
			s.t.Fatalf("after %d comes %d: %v; resets %s, states %s", got[i-1], n, got[max(0, i-5):min(len(got), i+5)], s.Run("resets"), s.Run("JSON.stringify(states)"))
		}
	}
	if len(got) == 0 {
		return 0
	}
	return got[len(got)-1]
}

// has waits until the page has had all up to an event, once and in order.
func (s sharer) has(last int) {
	s.t.Helper()
	limit := time.Now().Add(time.Minute)
	eventually(s.t, 2*time.Minute, fmt.Sprint("event ", last), func() bool {
		at := s.isWhole()
		if time.Now().After(limit) {
			s.t.Fatalf("the page has %d events of %d, resets %s, states %s", at, last, s.Run("resets"), s.Run("JSON.stringify(states)"))
		}
		return at >= last
	})
}

// numbers publishes to ann.
func numbers(t *testing.T, node *stage.Node, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		status, text := asked(t, http.MethodPost, node.AdminURL()+"/_weft/v1/events?user=ann&type=note", "", "application/json", fmt.Sprintf(`{"n":%d}`, n))
		if status != http.StatusAccepted {
			t.Fatalf("%d %s", status, text)
		}
	}
}

// connections asks the node how many connections a user has.
func connections(t *testing.T, node *stage.Node, user string) int {
	t.Helper()
	_, text := asked(t, http.MethodGet, node.AdminURL()+"/_weft/v1/users/"+user, "", "", "")
	var answer struct{ Connections []json.RawMessage }
	_ = json.Unmarshal([]byte(text), &answer)
	return len(answer.Connections)
}

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
	eventually(t, time.Minute, "12 tabs have one connection", func() bool { return connections(t, node, "ann") == 1 })
	for _, s := range tabs {
		if n := s.got()[0]; n != 1 {
			t.Errorf("the first event of a page that is open is %d", n)
		}
	}
}

// leading is which of some tabs has the connection.
func leading(t *testing.T, tabs []sharer) int {
	t.Helper()
	leads := -1
	var states string
	limit := time.Now().Add(time.Minute)
	eventually(t, 2*time.Minute, "one of the tabs leads", func() bool {
		if states = ""; time.Now().After(limit) {
			for _, s := range tabs {
				states += s.Run("JSON.stringify(states)") + "\n"
			}
			t.Fatalf("none of the tabs leads: %s", states)
		}
		for i, s := range tabs {
			if is := s.state(); is.State == "open" && !is.Shared {
				leads = i
				return true
			}
		}
		return false
	})
	return leads
}

// publishing publishes numbers to a user until the test says that it is enough, which returns
// the last one.
func publishing(t *testing.T, node *stage.Node, user string) (enough func() int) {
	t.Helper()
	stop, last := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { last <- n }()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			resp, err := http.Post(node.AdminURL()+"/_weft/v1/events?type=note&user="+user, "application/json", strings.NewReader(fmt.Sprintf(`{"n":%d}`, n+1)))
			if err != nil || resp.StatusCode != http.StatusAccepted {
				t.Errorf("publish %d: %v %v", n+1, resp, err)
				return
			}
			resp.Body.Close()
			n++
		}
	}()
	return func() int {
		close(stop)
		return <-last
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
	eventually(t, time.Minute, "one connection", func() bool { return connections(t, node, "ann") == 1 })
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
		eventually(t, time.Minute, "one connection of "+user, func() bool { return connections(t, node, user) == n })
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

	if status, text := asked(t, http.MethodPut, node.AdminURL()+"/_weft/v1/blacklist/a1", "", "", ""); status/100 != 2 {
		t.Fatalf("%d %s", status, text)
	}
	eventually(t, time.Minute, "the page whose session is revoked is closed", func() bool { is := ann.state(); return is.State == "closed" && is.Reason == "revoked" })
	eventually(t, time.Minute, "the other one leads", func() bool { is := again.state(); return is.State == "open" && !is.Shared })
	numbers(t, node, 11, 12)
	again.has(12)
	if last := ann.isWhole(); last != 10 {
		t.Errorf("a page that is closed has event %d", last)
	}
}
