package test

import (
	"fmt"
	"slices"
	"testing"

	"weft/test/browser"
	"weft/test/client"
	"weft/test/stage"
)

// A page that closes its WebSocket is answered (RFC 6455, section 5.5.1), so that
// nothing looks like an accident to it: 1006 is what it saw otherwise.
func TestABrowserThatClosesItsWebSocketIsAnswered(t *testing.T) {
	b := chromium(t)
	for _, own := range []bool{true, false} {
		t.Run(fmt.Sprintf("own_http=%v", own), func(t *testing.T) {
			node := pageNode(t, b, func(c stage.Config) { c.With("tuning.own_http", own) })
			tab := b.NewTab(t)
			for code, want := range map[int]int{0: 1005, 1000: 1000, 4999: 4999} {
				conn := tab.Open(client.WebSocket, node.URL(), stage.Token(t, "ann", nil))
				tab.Await(conn, "an open connection", isOpen)
				tab.CloseWith(conn, code)
				closed := func(e browser.Entry) bool { return e.What == "close" }
				all := tab.Await(conn, "the end", func(all []browser.Entry) bool { return slices.ContainsFunc(all, closed) })
				end := all[slices.IndexFunc(all, closed)]
				if end.Code != want || !end.Clean {
					t.Errorf("a close with %d ends with %d, clean: %v; want %d", code, end.Code, end.Clean, want)
				}
			}
		})
	}
}
