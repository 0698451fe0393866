package test

import (
	"encoding/json"
	"fmt"
	"net/http"
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
		const { connect } = await import("%[1]s/_weft/v1/client.js")
		window.got = [], window.resets = 0, window.states = []
		window.weft = connect({ url: %[1]q, token: %[2]q, ...%[3]s })
		weft.on("*", e => got.push(e.data.n))
		weft.onReset(() => resets++)
		weft.onState(s => states.push(s))
	})().catch(e => { window.got = String(e) })`, node.URL(), token, options))
	return sharer{tab, t}
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

// has waits until the page has had exactly the events from one number to another, in order.
func (s sharer) has(from, to int) {
	s.t.Helper()
	want := []int{}
	for n := from; n <= to; n++ {
		want = append(want, n)
	}
	text, _ := json.Marshal(want)
	got := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(25 * time.Millisecond) {
		if got = s.Run("JSON.stringify(got)"); got == string(text) {
			return
		}
		if len(got) >= len(text) {
			break
		}
	}
	s.t.Fatalf("the page has %s, want %d to %d; states %s", got, from, to, s.Run("JSON.stringify(states)"))
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
	node := docsNode(t, b)
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
		s.has(1, 20)
	}
	if n := connections(t, node, "ann"); n != 1 {
		t.Errorf("12 tabs have %d connections", n)
	}
}
