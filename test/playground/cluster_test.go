package main

import (
	"fmt"
	"testing"
	"time"
)

// anyMembers are three nodes on free ports.
func anyMembers() []memberAddresses {
	members := usualMembers(3)
	for i := range members {
		m := &members[i]
		m.Public, m.Admin, m.NATS, m.Cluster = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	}
	return members
}

// counted is a number of the cluster's page.
func counted(name string) string {
	return fmt.Sprintf(`(parseInt(document.querySelector("[data-count=%s]")?.textContent ?? "-1"))`, name)
}

// card finds something in the card of a node.
func card(node, rest string) string { return ".seat[data-node=" + node + "] " + rest }

// The demonstration, with the real binary, a real load balancer and a real
// browser: the leader is killed, and started again, while events flow.
func TestWhoeverFollowsTheClusterMissesNothing(t *testing.T) {
	p := openPlayground(t, options{wish: anyPort, members: anyMembers()})
	b := openBrowser(t)
	const patience = 90 * time.Second

	b.open("http://" + p.addrs.Page)
	b.awaitFor(patience, "all are connected", `document.querySelectorAll(".seat .rider").length === 4`)
	b.awaitFor(patience, "events flow and a node leads", counted("received")+` > 20 && !document.getElementById("kill-leader").disabled`)

	victim := b.eval(`document.querySelector(".seat[data-leader=true]").dataset.node`)
	others := `.seat:not([data-node=` + victim + `])`
	b.click("#kill-leader")
	b.awaitFor(patience, "it is down", `document.querySelector(".seat[data-node=`+victim+`]").dataset.health === "down"`)
	if how := b.eval(`document.querySelector("` + card(victim, ".why") + `").textContent`); how != "signal: killed" {
		t.Errorf("%s is down by %q", victim, how)
	}
	b.awaitFor(patience, "all are elsewhere", `document.querySelectorAll("`+others+` .rider").length === 4`)
	b.awaitFor(patience, "another leads", `document.querySelector("`+others+`[data-leader=true]") !== null`)
	b.click(card(victim, "[data-do=start]"))
	b.awaitFor(patience, "it is ready again", `document.querySelectorAll(".seat[data-health=ready]").length === 3`)

	b.click("#users tr[data-user=bob] button")
	b.awaitFor(patience, "Bob was sent away and is back", `[...document.querySelectorAll("#notes li")].some((e) => e.textContent.includes("Bob left")) && `+
		`document.querySelectorAll(".seat .rider").length === 4`)

	b.click("#flow") // hold
	b.awaitFor(patience, "all that was sent is here", `document.getElementById("flow").dataset.on === "false" && `+
		`document.querySelector(".lanes .waits") === null && `+counted("received")+` > 20 && `+counted("way")+` === 0`)
	for _, count := range []string{"lost", "doubled", "reordered", "resets"} {
		if got := b.eval(`document.querySelector("[data-count=` + count + `]").textContent`); got != "0" {
			t.Errorf("%s %s, want 0", got, count)
		}
	}
	t.Logf("received %s, longest silence %s", b.eval(`document.querySelector("[data-count=received]").textContent`),
		b.eval(`document.querySelector("[data-count=longest]").textContent`))
}
