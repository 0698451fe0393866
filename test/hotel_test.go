package test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/standstill"
	"weft/test/browser"
	"weft/test/stage"
)

// A hotelTab is a visitor who looks at the page of docs/browser-plain.md, and keeps what it says.
type hotelTab struct {
	*browser.Tab
	t *testing.T
}

// looks runs the page in the tab, at a node.
func (h hotelTab) looks(snippet string, node *stage.Node) {
	h.t.Helper()
	h.Run(`(() => {
		document.body.innerHTML = "<p id=looking></p><ol id=bookings></ol>"
		window.shown = []
		new MutationObserver(() => shown.push(document.getElementById("looking").textContent))
			.observe(document.getElementById("looking"), {childList: true})
		` + strings.ReplaceAll(snippet, "https://events.example.com", node.URL()) + `
		window.stops = () => events.close()
	})()`)
}

// shown is all that the page has said of those who look at it.
func (h hotelTab) shown() []string {
	h.t.Helper()
	text := h.Run(`shown.join("|")`)
	if text == "" {
		return nil
	}
	return strings.Split(text, "|")
}

// awaitShown waits until all tabs say so, and returns how long that took.
func awaitShown(t *testing.T, tabs []hotelTab, want string) time.Duration {
	t.Helper()
	begin := time.Now()
	for i, h := range tabs {
		eventually(t, time.Minute, fmt.Sprintf("tab %d says %s", i, want), func() bool { return h.Text("looking") == want })
	}
	return time.Since(begin)
}

// Five tabs of one browser look at a page, at three nodes: each says five within a second;
// when two have gone the others say three; and one that is loaded again, at its node or at
// another one, changes nothing for the others.
func TestEveryVisitorSeesHowManyLookAtThePage(t *testing.T) {
	t.Parallel()
	b := chromium(t)
	forming, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	nodes := stage.StartCluster(t, forming, map[string]any{
		"public.cors_origins":  []string{b.Origin},
		"auth.anonymous.allow": []string{"topic.hotel.*", "presence.topic.hotel.*"},
	})
	snippet := blockWith(t, codeBlocks(t, "../docs/browser-plain.md", "## Without a token, and how many look"), "new EventSource")

	// A browser opens six connections to a host: these are two of each.
	tabs := []hotelTab{{b.NewTab(t), t}}
	for range 4 {
		tabs = append(tabs, hotelTab{tabs[0].Beside(), t})
	}
	for i, h := range tabs[:4] {
		h.looks(snippet, nodes[i%3])
	}
	awaitShown(t, tabs[:4], "4 people are looking at this")
	// A frame has just gone, and there is one a second; a browser has its own pace besides.
	const second, own = time.Second, time.Second / 2
	still := standstill.Begin(t)
	tabs[4].looks(snippet, nodes[1])
	if took := awaitShown(t, tabs, "5 people are looking at this"); took > second+own+still.Lost() {
		t.Errorf("all see the fifth after %v", took)
	}

	publishTo := nodes[2].AdminURL() + "/_weft/v1/events?" + url.Values{"subject": {"topic.hotel.42"}, "type": {"hotel.booked"}}.Encode()
	if status, text := asked(t, http.MethodPost, publishTo, "", "application/json", `{"room":"a double room"}`); status != http.StatusAccepted {
		t.Fatalf("publish: %d %s", status, text)
	}
	for _, h := range tabs {
		eventually(t, time.Minute, "a booking on each page", func() bool { return h.Text("bookings") == "Somebody has booked a double room" })
	}

	still = standstill.Begin(t)
	tabs[3].Visit("about:blank") // which a browser may keep, as it does a page that one may go back to
	tabs[4].Shut()
	const hold = 5 * time.Second
	if took := awaitShown(t, tabs[:3], "3 people are looking at this"); took > hold+second+own+still.Lost() {
		t.Errorf("all see that two have gone after %v", took)
	}

	seen := [2]int{len(tabs[0].shown()), len(tabs[2].shown())}
	for _, node := range []int{1, 2} {
		tabs[1].Visit(b.Origin)
		tabs[1].looks(snippet, nodes[node])
		awaitShown(t, tabs[:3], "3 people are looking at this")
	}
	// What is told of the reload would be told before this, which is held back as long.
	tabs[1].Visit("about:blank")
	rest := []hotelTab{tabs[0], tabs[2]}
	awaitShown(t, rest, "2 people are looking at this")
	for i, h := range rest {
		if all := h.shown(); strings.Join(all[seen[i]:], "|") != "2 people are looking at this" {
			t.Errorf("the page flickers: %q", all[seen[i]:])
		}
	}
}
