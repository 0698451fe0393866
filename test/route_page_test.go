package test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"weft/test/stage"
)

// shopOfPages is a back end of the three ways in which a page asks.
func shopOfPages(t *testing.T) *stage.Backend {
	upgrade := websocket.Upgrader{Subprotocols: []string{"chat"}, CheckOrigin: func(*http.Request) bool { return true }}
	return stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) {
		user := r.Header.Get("Weft-User")
		switch r.URL.Path {
		case "/api/orders":
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s of %s", body, user)
		case "/api/news":
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "data: news for %s\n\n", user)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		case "/api/chat":
			conn, err := upgrade.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer conn.Close()
			_ = conn.WriteMessage(websocket.TextMessage, []byte("chat for "+user+" by "+conn.Subprotocol()))
			_, _, _ = conn.ReadMessage()
		}
	})
}

// What docs/routes.md has for a page runs in a real browser, on a page of another origin:
// each of the three reaches the back end with the page's user.
func TestThePageOfTheDocsAsksByRoutes(t *testing.T) {
	b := chromium(t)
	node, back := pageNode(t, b, nil), shopOfPages(t)
	stage.PutRoute(t, node, "api", stage.Route{"pattern": "/api/{rest...}", "target": back.URL(), "cors": []string{b.Origin}})
	blocks := codeBlocks(t, "../docs/routes.md", "## From a page")
	if len(blocks) != 1 {
		t.Fatalf("the chapter has %d blocks", len(blocks))
	}
	snippet := strings.NewReplacer( // the page is of another origin than the node
		`fetch("/api`, `fetch("`+node.URL()+`/api`,
		`new EventSource("/api/news")`, `new EventSource("`+node.URL()+`/api/news", {withCredentials: true})`,
		"wss://app.example.com", strings.Replace(node.URL(), "http", "ws", 1)).Replace(blocks[0])
	tab := b.NewTab(t)
	tab.Run(fmt.Sprintf(`(() => {
		const token = %q, order = {item: "tea"}
		document.cookie = "weft_token=" + token
		window.seen = [];
		(async () => {
			%s
			news.onmessage = chat.onmessage = e => seen.push(e.data)
			seen.push(await answer.text())
		})().catch(e => seen.push(String(e)))
	})()`, stage.Token(t, "ann", stage.Claims{"jti": "s1"}), snippet))
	for _, want := range []string{`{"item":"tea"} of ann`, "news for ann", "chat for ann by chat"} {
		eventually(t, 20*time.Second, "to see "+want, func() bool { return strings.Contains(tab.Run("seen.join()"), want) })
	}
}
