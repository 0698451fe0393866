package main

import (
	"fmt"
	"strings"
	"testing"
)

// answered is true when a line of the answers begins so, and has the rest in it.
func answered(what, how string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#answers li")].some((e) => e.textContent.startsWith(%q) && e.textContent.includes(%q))`, what, how)
}

func says(id, text string) string {
	return fmt.Sprintf(`document.getElementById(%q).textContent.includes(%q)`, id, text)
}

// The page, its node and its shop are three origins: a request of the page passes a
// preflight and a route, and its answer comes back by the road that the shop has chosen.
func TestAPageAsksTheBackEndsAndHearsOfItTwice(t *testing.T) {
	t.Parallel()
	p := openPlayground(t, options{wish: anyPort})
	b := openBrowser(t)
	b.open("http://" + p.addrs.Page)
	b.await("both connect", is("ann", "open")+" && "+is("bob", "open"))

	b.click("#order")
	b.await("the request is answered by Kafka", answered("POST /api/orders → 201", "of tea"))
	b.await("the event arrives", answered("event order.placed", "order "))
	orders := func() string {
		return b.eval(`[...document.querySelectorAll("#answers li")].map((e) => e.textContent.match(/order ([\w-]{6})/)?.[1] ?? "none").join(" ")`)
	}
	if ids := strings.Fields(orders()); len(ids) != 2 || ids[0] != ids[1] {
		t.Errorf("answer and event are not of one order: %v", ids)
	}
	b.click("#order-later")
	b.await("the order is taken", answered("POST /api/orders/later → 202", "more by event"))
	b.await("the event says what became of it", `document.querySelectorAll("#answers li").length === 4`)
	if ids := strings.Fields(orders()); ids[0] != ids[1] || ids[0] == ids[2] {
		t.Errorf("the later event is not of the later order: %v", ids)
	}
	b.click("#price")
	b.await("a NATS service answers", answered("GET /api/prices/tea → 200", "tea costs 5, for ann"))
	if b.eval(`document.querySelectorAll(".tab[data-user=bob] .event").length === 0 ? "none" : "some"`) != "none" {
		t.Error("Bob has events of Ann's orders")
	}
}

// A route is changed, broken and rolled back, and what runs through another one stays.
func TestABrokenRouteBreaksNothing(t *testing.T) {
	t.Parallel()
	p := openPlayground(t, options{wish: anyPort})
	b := openBrowser(t)
	b.open("http://" + p.addrs.Page)
	b.await("both connect", is("ann", "open"))
	b.await("the route is shown", `document.getElementById("route").value.includes("/v1/greeting") && `+says("route-state", "serves"))
	b.click("#clock")
	b.await("the clock ticks", says("clock-state", "3 ticks, one connection"))

	b.click("#greeting")
	b.await("the first version serves", answered("GET /api/greeting → 200", "Good morning, ann"))
	edit := func(from, to string) {
		t.Helper()
		b.eval(fmt.Sprintf(`(document.getElementById("route").value = document.getElementById("route").value.replaceAll(%q, %q))`, from, to))
	}
	edit("/v1/", "/v2/")
	b.click("#route-put")
	b.await("it is put", says("route-state", "serves"))
	b.click("#greeting")
	b.await("the second version serves", answered("GET /api/greeting → 200", "Good evening, ann"))

	b.click("#route-break")
	b.click("#route-put")
	b.await("it is refused", says("route-state", "did you mean")+` && document.querySelector("#route-state.failed") !== null`)
	b.click("#route-raw")
	b.await("it is in the bucket, and the good one serves", says("route-state", "is bad")+" && "+says("route-state", "serves on"))
	b.eval(`(document.getElementById("answers").replaceChildren(), "")`)
	b.click("#greeting")
	b.await("the second version serves still", answered("GET /api/greeting → 200", "Good evening, ann"))
	b.click("#route-back")
	b.await("a good one is the newest", says("route-state", "serves")+` && document.querySelector("#route-state.failed") === null`)
	b.eval(`(document.getElementById("answers").replaceChildren(), "")`)
	b.click("#greeting")
	b.await("the version before serves", answered("GET /api/greeting → 200", "Good evening, ann"))
	if got := b.eval(`document.getElementById("clock-state").textContent`); got == "" || b.eval(`document.getElementById("clock").textContent`) != "Close the WebSocket" {
		t.Errorf("the WebSocket: %s", got)
	}
}
