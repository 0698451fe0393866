package main

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
)

// connections is how many the node has of a user.
func (p *playground) connections(t *testing.T, user string) int {
	t.Helper()
	resp, err := http.Get("http://" + p.addrs.Admin + "/_weft/v1/users/" + user)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Connections []json.RawMessage }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return len(answer.Connections)
}

// A second tab of Ann's shares the connection of the first, both say who has it, and when the
// first goes the second has every event, too.
func TestASecondTabSharesAndTakesOver(t *testing.T) {
	t.Parallel()
	p := openPlayground(t, options{wish: anyPort})
	b := openBrowser(t)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	b.open("http://" + p.addrs.Page)
	b.await("Ann connects", is("ann", "open"))
	if href := b.eval(`document.querySelector("` + tab("ann", ".second") + `").href`); href != "http://"+p.addrs.Page+"/second.html?user=ann&transport=websocket" {
		t.Errorf("a second tab is at %s", href)
	}
	second := b.tab("http://" + p.addrs.Page + "/second.html?user=ann&transport=websocket")
	const leads = `document.querySelector(".leads").textContent`
	second.await("the second tab shares", `document.querySelector(".state").dataset.state === "open" && `+leads+`.startsWith("Another tab has the connection")`)
	if got := b.eval(text("ann", ".leads")); got != "this tab’s" {
		t.Errorf("the first tab says that the connection is %s", got)
	}
	waitfor.Within(t, time.Minute, "two tabs have one connection", func() bool { return p.connections(t, "ann") == 1 })
	const has = `[...document.querySelectorAll(".event")].map((e) => e.dataset.n).reverse().join(" ")`
	send := func(n int) {
		t.Helper()
		if err := p.page.back.publish(t.Context(), event{To: "ann", Via: viaHTTP, State: "paid", Text: "for all tabs", N: n}); err != nil {
			t.Fatal(err)
		}
	}
	send(1)
	b.await("the first tab has it", numbers("ann", ".event")+` === "1"`)
	second.await("the second tab has it", has+` === "1"`)

	b.open("about:blank")
	send(2)
	second.awaitFor(time.Minute, "the second tab takes over", leads+`.startsWith("This tab has the connection")`)
	send(3)
	second.await("it has every event, once", has+` === "1 2 3"`)
}
