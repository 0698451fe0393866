//go:build unix

package proxies

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"weft/test/stage"
)

// behind starts nginx with directives for what it passes to a node, and opens the page through
// it.
func behind(t *testing.T, name string, node *stage.Node, app, directives string) *page {
	t.Helper()
	address := stage.FreeAddress(t)
	nginx.run(t, fmt.Sprintf(`map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
		server {
			listen %s;
			location /_weft/ { proxy_pass http://%s; %s }
			location / { proxy_pass http://%s; }
		}
		`, address, node.Address(), directives, app), address)
	return visit(t, chromium(t), name, "http://"+address+"/followers")
}

// upgrades are the directives that pass WebSockets on.
const upgrades = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;"

// A page gets each event once, in order, through a proxy that drops Upgrade, that buffers, that
// cuts what is idle, or whose node is gone for a while; over the best transport that gets through.
func TestTheClientGetsThroughProxiesThatDoWhatNoneShould(t *testing.T) {
	t.Parallel()
	app := backEnd(t, "ann", map[string]string{"/followers": followersPage})
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("public.keepalive", "4s").With("public.limits.per_user", 200).
		With("auth.allow", []string{"topic.hotel.*"}))

	const buffers = "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"
	const cuts = upgrades + "proxy_buffering off; proxy_read_timeout 1500ms;"
	type way struct{ name, directives, options, transport string }
	ways := []way{
		{"nginx as it comes, which drops Upgrade", "", "{}", "sse"},
		{"one that buffers", upgrades + buffers, "{}", "websocket"},
		{"one that drops Upgrade and buffers", buffers, "{}", "poll"},
		{"one that cuts a WebSocket", cuts, `{transports: ["websocket"]}`, "websocket"},
		{"one that cuts Server-Sent Events", cuts, `{transports: ["sse"]}`, "sse"},
		{"one that cuts a poll", cuts, `{transports: ["poll"]}`, "poll"},
	}
	pages := make([]*page, len(ways))
	for i, w := range ways {
		pages[i] = behind(t, w.name, node, app, w.directives)
		pages[i].Run(fmt.Sprintf("client('client', %s)", w.options))
	}
	each := func(hope string, ok func(w way, f follower) bool) {
		t.Helper()
		for i, p := range pages {
			p.await("client", hope, func(f follower) bool { return ok(ways[i], f) })
		}
	}
	each("it is open over the best transport that gets through", func(w way, f follower) bool {
		return f.State.State == "open" && f.State.Transport == w.transport
	})
	events := &publisher{t: t, admin: node.AdminURL()}
	for round := range 2 {
		events.publish(2)
		each("it has each event once", func(_ way, f follower) bool { return slices.Equal(f.N, upTo(events.n)) })
		each("it was cut and is open again", func(w way, f follower) bool {
			return !strings.Contains(w.name, "cuts") || w.transport == "poll" || f.Opens > round+1
		})
	}

	// nginx says 502 with a page of its own while the node is gone.
	node.Kill()
	each("it knows that it is cut off", func(_ way, f follower) bool { return f.State.State != "open" })
	node.Start()
	events.publish(2)
	each("it has each event once after the node was gone", func(_ way, f follower) bool { return slices.Equal(f.N, upTo(events.n)) })
	for i, p := range pages {
		if f := p.followers()["client"]; f.Resets > 0 || len(f.Trouble) > 0 {
			t.Errorf("%s: %v", ways[i].name, f)
		}
	}
}

// Over HTTP/1.1 a browser has six connections to a host: a seventh EventSource waits for one, as does
// what else the page asks for, and nobody is told. Over HTTP/2 twelve open at once, which
// TestTheSnippetsCarryAllTransports sees.
func TestTheSeventhStreamOfHTTP1Waits(t *testing.T) {
	t.Parallel()
	app := backEnd(t, "ann", map[string]string{"/followers": followersPage})
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("public.keepalive", "1s"))
	p := behind(t, "nginx over HTTP/1.1", node, app, "proxy_http_version 1.1; proxy_buffering off;")
	p.Run("tabs(7)")
	is := func(hope, script, want string) {
		t.Helper()
		eventually(t, hope, func() bool { return p.Run(script) == want }, func() any { return p.Run(script) })
	}
	const told = `[open, streams.map(s => s.readyState).sort(), window.fetched].join()`
	is("six streams are open", told, "6,0,1,1,1,1,1,1,")
	p.Run(`(fetch("/token").then(r => window.fetched = r.status), 0)`)
	is("six streams have been told weft.open and two keep-alives", `String(streams.filter(s => s.heard > 2).length)`, "6")
	if got := p.Run(told); got != "6,0,1,1,1,1,1,1," {
		t.Errorf("the seventh stream and the request do not wait: %s", got)
	}
	p.Run(`(streams.filter(s => s.readyState === 1).slice(4).forEach(s => s.close()), 0)`)
	is("two are closed, and what waited has its turn", told, "7,1,1,1,1,1,2,2,200")
}

// A cookie counts for the page's own site. Browsers tell which that is by Sec-Fetch-Site, but not
// with a WebSocket, and not those that are older; then it is the host that the proxy passes on.
func TestACookieNeedsTheHostWhereTheBrowserDoesNotTellTheSite(t *testing.T) {
	t.Parallel()
	app := backEnd(t, "ann", map[string]string{"/followers": followersPage})
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("auth.allow", []string{"topic.hotel.*"}).With("auth.publish", []string{"topic.hotel.*"}))
	const untold, passed = `proxy_set_header Sec-Fetch-Site "";`, "proxy_set_header Host $http_host;"
	for _, c := range []struct{ name, directives, posted, socket string }{
		{"one that hides the host", upgrades, "202", "refused"},
		{"one that hides the host of an older browser", upgrades + untold, "403", "refused"},
		{"one that passes on the host of an older browser", upgrades + untold + passed, "202", "open"},
	} {
		p := behind(t, c.name, node, app, c.directives)
		p.Run(`(fetch("/_weft/v1/events?subject=topic.hotel.7", {method: "POST", body: "{}", headers: {"Content-Type": "application/json"}}).then(r => window.posted = r.status), 0)`)
		p.Run(`(() => {
			const socket = new WebSocket("ws://" + location.host + "/_weft/v1/events", ["weft.v1"])
			socket.onmessage = () => window.socket ??= "open"
			socket.onclose = () => window.socket ??= "refused"
		})()`)
		const told = `window.posted + " " + window.socket`
		eventually(t, c.name+": the page is told "+c.posted+" "+c.socket, func() bool { return p.Run(told) == c.posted+" "+c.socket }, func() any { return p.Run(told) })
	}
}
