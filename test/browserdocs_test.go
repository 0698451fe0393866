package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"weft/test/browser"
	"weft/test/client"
	"weft/test/stage"
)

const browserPage = "../docs/browser-plain.md"

// runs runs code of docs/browser-plain.md in a tab, at a node of another origin. What the page of
// a reader has, is in before; what it is told is in window.seen.
func runs(t *testing.T, tab *browser.Tab, node *stage.Node, token, before, code string) {
	t.Helper()
	code = strings.NewReplacer(
		`&format=frame")`, `&format=frame", {withCredentials: true})`,
		`EventSource("/_weft`, `EventSource("`+node.URL()+`/_weft`,
		`fetch("/_weft`, `fetch("`+node.URL()+`/_weft`).Replace(code)
	tab.Run(fmt.Sprintf(`(() => {
		document.cookie = "weft_token=%[1]s"
		window.seen = []
		const token = %[1]q, loadEverything = () => seen.push("reset"), show = x => seen.push(JSON.stringify(x))
		let connection;
		(async () => { %[2]s
		%[3]s })().catch(e => seen.push(String(e)))
	})()`, token, before, code))
}

// saw waits until the page has been told something.
func saw(t *testing.T, tab *browser.Tab, what string) {
	t.Helper()
	var seen string
	t.Cleanup(func() {
		if t.Failed() && !strings.Contains(seen, what) {
			t.Logf("the page has seen %s", seen)
		}
	})
	eventually(t, time.Minute, "the page sees "+what, func() bool {
		seen = tab.Run("seen.join()")
		return strings.Contains(seen, what)
	})
}

// docsNode is a node for code of docs/browser-plain.md.
func docsNode(t *testing.T, b *browser.Browser) *stage.Node {
	t.Helper()
	return pageNode(t, b, func(s stage.Config) {
		s.With("public.keepalive", "1s").With("auth.allow", []string{"topic.hotel.*", "presence.topic.hotel.*", "topic.room.{/rooms}"})
	})
}

// Of two tabs of a user one rings for an event, though both have it.
func TestTabsOfAUserTellDoublesByTheEventsID(t *testing.T) {
	b := chromium(t)
	node := docsNode(t, b)
	blocks := codeBlocks(t, browserPage, "## One handler, and each event once")
	code := blockWith(t, blocks, "navigator.locks") + blockWith(t, blocks, "new EventSource")
	tabs := []*browser.Tab{b.NewTab(t)}
	tabs = append(tabs, tabs[0].Beside())
	for _, tab := range tabs {
		runs(t, tab, node, stage.Token(t, "ann", nil), `const ring = frame => seen.push(JSON.stringify(frame.data))`,
			strings.Replace(code, "once(frame)", `{ seen.push("has " + frame.event); once(frame) }`, 1))
	}
	awaitOnline(t, node.AdminURL(), "ann", 2)
	var ids []string
	for n := range 3 {
		status, text := asked(t, http.MethodPost, node.AdminURL()+"/_weft/v1/events?user=ann&type=note", "", "application/json", fmt.Sprintf(`{"n":%d}`, n))
		var answer struct{ IDs []string }
		if err := json.Unmarshal([]byte(text), &answer); err != nil || status != http.StatusAccepted {
			t.Fatalf("%d %s", status, text)
		}
		ids = append(ids, answer.IDs...)
	}
	all := func() string { return tabs[0].Run("seen.join()") + "," + tabs[1].Run("seen.join()") }
	for n, id := range ids {
		for _, tab := range tabs {
			saw(t, tab, "has "+id)
		}
		eventually(t, time.Minute, "one of the tabs rings", func() bool { return strings.Contains(all(), fmt.Sprintf(`{"n":%d}`, n)) })
	}
	if rung := strings.Count(all(), `{"n":`); rung != 3 {
		t.Errorf("3 events rang %d times: %s", rung, all())
	}
}

// A page that is told that its token ends shows a new one; what that one does not grant is
// hidden, and nothing else changes.
func TestAPageRefreshesItsTokenAndHidesWhatIsGone(t *testing.T) {
	b := chromium(t)
	node := docsNode(t, b)
	tab := b.NewTab(t)
	short := stage.Token(t, "ann", stage.Claims{"exp": time.Now().Add(50 * time.Second).Unix(), "rooms": []string{"a", "b"}})
	fresh := stage.Token(t, "ann", stage.Claims{"rooms": []string{"b"}})
	runs(t, tab, node, short, fmt.Sprintf(`
		const events = new EventSource("%s/_weft/v1/events?subject=topic.room.a&subject=topic.room.b", {withCredentials: true})
		events.onmessage = e => seen.push(e.data)
		const freshToken = async () => { seen.push("expiring"); return %q }, hide = s => seen.push("hides " + s)`, node.URL(), fresh),
		blockWith(t, codeBlocks(t, browserPage, "## Refresh"), "PATCH"))
	saw(t, tab, "expiring")
	saw(t, tab, "hides topic.room.a")
	publishTo := func(subject, data string) {
		if status, text := asked(t, http.MethodPost, node.AdminURL()+"/_weft/v1/events?subject="+subject, "", "application/json", data); status != http.StatusAccepted {
			t.Fatalf("%d %s", status, text)
		}
	}
	publishTo("topic.room.a", `"a"`)
	publishTo("topic.room.b", `"b"`)
	saw(t, tab, `"b"`)
	if got := tab.Run("seen.join()"); got != `expiring,hides topic.room.a,"b"` {
		t.Errorf("the page has seen %s", got)
	}
}

// Over a WebSocket the new token is a message.
func TestAPageRefreshesItsTokenOverAWebSocket(t *testing.T) {
	b := chromium(t)
	node := docsNode(t, b)
	tab := b.NewTab(t)
	short := stage.Token(t, "ann", stage.Claims{"exp": time.Now().Add(50 * time.Second).Unix()})
	runs(t, tab, node, "", fmt.Sprintf(`
		const socket = new WebSocket("ws%s/_weft/v1/events", ["weft.v1", "bearer.%s"])
		const say = what => socket.send(JSON.stringify({ref: "refresh", ...what})), freshToken = async () => %q
		socket.onmessage = async m => {
			const frame = JSON.parse(m.data)
			if (frame.ref) seen.push("answered " + frame.ok)
		`, strings.TrimPrefix(node.URL(), "http"), short, stage.Token(t, "ann", nil)),
		blockWith(t, codeBlocks(t, browserPage, "## Refresh"), "say({token")+"}")
	saw(t, tab, "answered true")
}

// A page that polls is told who is there.
func TestAPagePollsPresence(t *testing.T) {
	t.Parallel()
	b := chromium(t)
	node := docsNode(t, b)
	tab := b.NewTab(t)
	runs(t, tab, node, stage.Token(t, "ann", nil), "", blockWith(t, codeBlocks(t, browserPage, "## Long poll"), "presence_id"))
	saw(t, tab, `"connections":0`)
	r := record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "bob", nil), Query: map[string][]string{"subject": {"topic.hotel.42"}}})
	saw(t, tab, `"connections":1`)
	r.Close()
	eventually(t, time.Minute, "that bob has gone", func() bool { return strings.Count(tab.Run("seen.join()"), `"connections":0`) >= 2 })
}

// A stream that brings a keep-alive each second and nothing else is one connection to a
// browser, which dispatches nothing that is no JSON.
func TestAnIdleStreamIsQuietInABrowser(t *testing.T) {
	t.Parallel()
	b := chromium(t)
	node := docsNode(t, b)
	tabs := map[string]*browser.Tab{}
	for _, format := range []string{"payload", "frame", "cloudevents"} {
		tabs[format] = b.NewTab(t)
		runs(t, tabs[format], node, stage.Token(t, "ann", nil), "", `
			const events = new EventSource("`+node.URL()+`/_weft/v1/events?format=`+format+`", {withCredentials: true})
			events.onopen = () => seen.push("opened")
			events.onerror = () => seen.push("broken")
			for (const type of ["message", "weft.open", "weft.keepalive"]) events.addEventListener(type, e => {
				const frame = JSON.parse(e.data)
				seen.push(type === "message" && !("type" in frame) ? "empty" : (frame.type ?? type))
			})`)
	}
	for format, tab := range tabs {
		eventually(t, time.Minute, "four keep-alives", func() bool { return strings.Count(tab.Run("seen.join()"), "weft.keepalive") >= 4 })
		if got := tab.Run(`seen.filter(x => x !== "weft.keepalive").join()`); got != "opened,weft.open" {
			t.Errorf("format=%s: the page has seen %s", format, got)
		}
	}
}
