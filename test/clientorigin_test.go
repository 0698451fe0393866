package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"weft/test/browser"
	"weft/test/stage"
)

// crosses lets a page of another origin than the node's follow a hotel by the client, over each
// transport, with a token or by the cookie that it has. What it is told is in window.seen.
func crosses(t *testing.T, tab *browser.Tab, node *stage.Node, token string) {
	t.Helper()
	tab.Run(fmt.Sprintf(`(() => {
		document.cookie = "weft_token=%[2]s"
		window.seen = []
		import("%[1]s/_weft/v1/client.js").then(({connect}) => {
			for (const kind of ["websocket", "sse", "poll"]) for (const by of ["token", "cookie"]) {
				const name = kind + " " + by
				const weft = connect({subjects: ["topic.hotel.42"], transports: [kind], shared: false, token: by === "token" ? %[2]q : undefined})
				weft.on("*", e => seen.push(name + " has " + e.subject + " " + e.data))
				weft.onState(s => seen.push(name + " is " + s.state))
				weft.subscribe("topic.hotel.43").then(() => seen.push(name + " follows"), e => seen.push(name + " fails " + e))
				weft.publish("topic.hotel.1", 1).then(() => seen.push(name + " publishes"), e => seen.push(name + " fails " + e))
			}
		}, e => seen.push(String(e)))
	})()`, node.URL(), token))
}

var crossing = []string{"websocket token", "websocket cookie", "sse token", "sse cookie", "poll token", "poll cookie"}

// hotels lets whoever has a token follow hotels, and publish there.
func hotels(s stage.Config) {
	s.With("public.keepalive", "1s").With("auth.allow", []string{"topic.hotel.*"}).With("auth.publish", []string{"topic.hotel.*"})
}

// A page of an origin that is permitted loads the client from the node and has all of it, over
// each transport, with a token and by the cookie.
func TestAPageOfAnotherOriginHasAllOfTheClient(t *testing.T) {
	t.Parallel()
	b := chromium(t)
	node := pageNode(t, b, hotels)
	tab := b.NewTab(t)
	crosses(t, tab, node, stage.Token(t, "ann", nil))
	for _, name := range crossing {
		saw(t, tab, name+" follows")
		saw(t, tab, name+" publishes")
	}
	for _, subject := range []string{"topic.hotel.42", "topic.hotel.43"} {
		if status, text := asked(t, "POST", node.AdminURL()+"/_weft/v1/events?subject="+subject, "", "application/json", `"news"`); status != 202 {
			t.Fatalf("%d %s", status, text)
		}
		for _, name := range crossing {
			saw(t, tab, name+" has "+subject+" news")
		}
	}
	if got := tab.Run("seen.join()"); strings.Contains(got, "fails") || strings.Count(got, " has ") != 2*len(crossing) {
		t.Errorf("the page has seen %s", got)
	}
}

// A page of an origin that is not permitted gets nothing by its visitor's cookie.
func TestAPageOfAnotherOriginGetsNothingByTheCookieUnlessItIsPermitted(t *testing.T) {
	t.Parallel()
	b := chromium(t)
	settings := stage.Settings(t.TempDir())
	hotels(settings)
	node := stage.StartNode(t, settings)
	tab := b.NewTab(t)
	crosses(t, tab, node, stage.Token(t, "ann", nil))
	for _, name := range crossing {
		if name != "websocket token" { // which proves who it is by itself, and no cookie
			saw(t, tab, name+" is waiting")
		}
	}
	saw(t, tab, "websocket token follows")
	publish(t, node, "ann", "order.paid", []byte(`"secret"`))
	saw(t, tab, "websocket token has user.ann secret")
	for _, name := range crossing[1:] { // it tries again, and is let in no more than before
		n := strings.Count(tab.Run("seen.join()"), name+" is waiting")
		eventually(t, 2*time.Minute, name+" tries again", func() bool { return strings.Count(tab.Run("seen.join()"), name+" is waiting") > n })
	}
	for _, name := range crossing[1:] {
		if got := tab.Run("seen.join()"); strings.Contains(got, name+" has") || strings.Contains(got, name+" is open") || strings.Contains(got, name+" publishes") {
			t.Errorf("%s: the page has seen %s", name, got)
		}
	}
}
