package npm

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// A component follows what it says for as long as it is there, by one connection, whatever is
// rendered meanwhile.
func TestAComponentFollowsEvents(t *testing.T) {
	t.Parallel()
	dir := project(t, "app.tsx")
	run(t, dir, "node_modules/esbuild/bin/esbuild", "app.tsx", "--bundle", "--format=esm", "--jsx=automatic",
		`--define:process.env.NODE_ENV="development"`, "--outfile=app.js")
	write(t, dir, "index.html", `<!doctype html><title>Orders</title><div id="root"></div><script>
		window.failures = []
		addEventListener("error", e => failures.push(e.message))
		addEventListener("unhandledrejection", e => failures.push(String(e.reason)))
	</script><script type="module" src="app.js"></script>`)
	node := stage.StartNode(t, stage.Settings(t.TempDir()).
		With("auth.allow", []string{"topic.hotel.*", "presence.topic.hotel.*"}).With("auth.publish", []string{"topic.hotel.*"}))
	server := startSite(t, dir, node)
	tab := chromium(t).NewTab(t)
	tab.Visit(server.URL)
	waitfor.Within(t, time.Minute, "the page has loaded", func() bool { return tab.Run("typeof render") == "function" })

	says := func(text string) {
		t.Helper()
		shows(t, tab, `document.getElementById("shown")?.textContent`, func(got string) bool { return strings.Contains(got, text) })
	}
	sees := func(want string) {
		t.Helper()
		shows(t, tab, "seen.join()", func(got string) bool { return got == want })
	}
	// renders lets the component be as it is told to.
	renders := func(label, props string) {
		t.Helper()
		tab.Run(fmt.Sprintf("render({label: %q, %s})", label, props))
		waitfor.Within(t, time.Minute, "it is rendered anew", func() bool { return tab.Run("window.rendered") == label })
	}
	var first string // the connection
	same := func() {
		t.Helper()
		if all := connections(t, node, "ann"); len(all) != 1 || all[0].ID != first {
			t.Errorf("ann has %v, had %s", all, first)
		}
	}

	// StrictMode mounts it twice; there is one connection, and one token.
	renders("a", `user: "ann", subjects: ["topic.hotel.42"]`)
	says("open websocket")
	if asked, connected := server.Tokens.Load(), server.Connections.Load(); asked != 1 || connected != 1 {
		t.Errorf("%d tokens and %d connections, want one of each", asked, connected)
	}
	first = connections(t, node, "ann")[0].ID
	publish(t, node, "subject=topic.hotel.42&type=order.paid", map[string]int{"n": 1})
	sees("a 1")

	// Each rendering may bring other handlers, of other types, and other subjects.
	renders("all", `user: "ann", subjects: ["topic.hotel.42"]`)
	publish(t, node, "subject=topic.hotel.42&type=order.paid", map[string]int{"n": 2})
	sees("a 1,all 2,* 2")
	renders("b", `user: "ann", subjects: ["topic.hotel.43"]`)
	follows := func(subject string) func() bool {
		return func() bool {
			return strings.Contains(asAdmin(t, node, "topics/"+strings.TrimPrefix(subject, "topic.")), `"ann"`)
		}
	}
	waitfor.Within(t, time.Minute, "it follows the other hotel", follows("topic.hotel.43"))
	waitfor.Within(t, time.Minute, "it has left the first hotel", func() bool { return !follows("topic.hotel.42")() })
	publish(t, node, "subject=topic.hotel.42&type=order.paid", map[string]int{"n": 3})
	publish(t, node, "subject=topic.hotel.43&type=order.paid", map[string]int{"n": 4})
	sees("a 1,all 2,* 2,b 4")
	same()

	// Presence comes with the handler; what fails, fails alone.
	tab.Run("seen.length = 0")
	renders("c", `user: "ann", subjects: ["topic.hotel.43"], presence: "topic.hotel.43", fails: true`)
	sees("topic.hotel.43 1")
	for n := range 2 {
		publish(t, node, "subject=topic.hotel.43&type=order.paid", map[string]int{"n": 5 + n})
	}
	sees("topic.hotel.43 1,c 5,c 6")

	// A refusal is told, and what is granted goes on.
	renders("d", `user: "ann", subjects: ["topic.hotel.43", "topic.secret"]`)
	says("open websocket forbidden")
	renders("e", `user: "ann", subjects: ["topic.hotel.43"]`)
	waitfor.Within(t, time.Minute, "the refusal has passed", func() bool { return !strings.Contains(tab.Text("shown"), "forbidden") })
	tab.Run(`publish("topic.hotel.43", {n: 7}, {type: "order.own"}).then(id => published.id = id)`)
	sees("topic.hotel.43 1,c 5,c 6,e 7")
	waitfor.Within(t, time.Minute, "the publisher has the id", func() bool { return tab.Run("published.id") != "undefined" })
	if n := tab.Run("published.size"); n != "1" {
		t.Errorf("publish was %s functions", n)
	}
	same()

	// Signed out there is no connection; who signs in next has one of their own.
	renders("none", `user: ""`)
	says("closed")
	waitfor.Within(t, time.Minute, "ann has left", func() bool { return len(connections(t, node, "ann")) == 0 })
	if refusal := tab.Run(`(publish("topic.hotel.43", 1).catch(e => seen.push(e.message)), "")`); refusal != "" {
		t.Error(refusal)
	}
	waitfor.Within(t, time.Minute, "there is nothing to publish by", func() bool { return strings.HasSuffix(tab.Run("seen.join()"), "there is no connection") })
	tab.Run("seen.length = 0")
	renders("f", `user: "bob"`)
	says("open websocket")
	publish(t, node, "user=ann&type=order.paid", map[string]int{"n": 8})
	publish(t, node, "user=bob&type=order.paid", map[string]int{"n": 9})
	sees("f 9")
	if asked, connected := server.Tokens.Load(), server.Connections.Load(); asked != 2 || connected != 2 {
		t.Errorf("%d tokens and %d connections for two users", asked, connected)
	}

	// Who is refused from the beginning is let in with what is granted.
	tab.Run("render()")
	waitfor.Within(t, time.Minute, "bob has left", func() bool { return len(connections(t, node, "bob")) == 0 })
	tab.Run("seen.length = 0")
	renders("g", `user: "bob", subjects: ["topic.secret"]`)
	says("closed")
	renders("h", `user: "bob", subjects: ["topic.hotel.42"]`)
	says("open websocket")
	publish(t, node, "subject=topic.hotel.42&type=order.paid", map[string]int{"n": 10})
	sees("h 10")
	tab.Run("render()")
	waitfor.Within(t, time.Minute, "bob has left", func() bool { return len(connections(t, node, "bob")) == 0 })
	if got := tab.Run("failures.join()"); strings.Count(got, "the handler fails") != 2 || strings.Count(got, ",") != 1 {
		t.Errorf("beside the two handlers that were to fail: %s", got)
	}
}
