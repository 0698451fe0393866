//go:build unix

package proxies

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/test/stage"
)

// farm starts three nodes at three addresses of the loopback, with the same ports as the
// snippets have it.
func farm(t *testing.T) (nodes []*stage.Node, public, admin string) {
	t.Helper()
	_, public, _ = net.SplitHostPort(stage.FreeAddress(t))
	_, admin, _ = net.SplitHostPort(stage.FreeAddress(t))
	at := func(port string) (each stage.PerNode) {
		for i := range stage.ClusterSize {
			each = append(each, fmt.Sprintf("127.0.1.%d:%s", i+1, port))
		}
		return each
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	return stage.StartCluster(t, ctx, map[string]any{
		"public.listen": at(public), "admin.listen": at(admin), "public.keepalive": "1s", "public.limits.per_user": 200,
		"public.drain_delay": "2s", "auth.allow": []string{"topic.hotel.*"}, "auth.publish": []string{"topic.hotel.*"},
		"public.trusted_proxies": []string{"127.0.0.0/8"},
	}), public, admin
}

// publisher numbers the events that it publishes.
type publisher struct {
	t     *testing.T
	admin string
	n     int
}

// publish publishes n more. What was not taken is sent again with the same key.
func (p *publisher) publish(n int) {
	p.t.Helper()
	for range n {
		p.n++
		eventually(p.t, "an event is stored", func() bool {
			r, err := http.NewRequest(http.MethodPost, p.admin+"/_weft/v1/events?type=order.paid&subject=topic.hotel.42", strings.NewReader(fmt.Sprintf(`{"n":%d}`, p.n)))
			if err != nil {
				p.t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", fmt.Sprint("event ", p.n))
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				return false
			}
			defer answer.Body.Close()
			_, _ = io.Copy(io.Discard, answer.Body)
			return answer.StatusCode == http.StatusAccepted
		}, func() any { return p.n })
	}
}

// upTo are the numbers from 1 on.
func upTo(n int) (all []int) {
	for i := range n {
		all = append(all, i+1)
	}
	return all
}

// What docs/proxies.md has for a proxy carries all transports to a browser over HTTP/2, keeps
// what is idle for longer than its time-outs, hands on a page's own requests, and loses no event
// while a node is stopped and another is killed.
func TestTheSnippetsCarryAllTransports(t *testing.T) {
	t.Parallel()
	b := chromium(t)
	nodes, public, admin := farm(t)
	app := backEnd(t, "ann", map[string]string{"/followers": followersPage})
	cert, key, both := stage.Certificate(t)
	var pages []*page
	var reloads []func()
	for _, k := range []kind{nginx, haproxy, caddy, envoyOf(stage.Installed(t, "proxies.sh"))} {
		address := stage.FreeAddress(t)
		_, port, _ := net.SplitHostPort(address)
		appHost, appPort, _ := net.SplitHostPort(app)
		// The addresses are others, and what takes 60 seconds takes three.
		snippet := strings.NewReplacer(
			"10.0.0.", "127.0.1.", ":4000", ":"+public, "4010", admin, "127.0.0.1:3000", app,
			"60s", "3s", "listen 443", "listen 127.0.0.1:"+port, "bind :443", "bind 127.0.0.1:"+port,
			"{address: 0.0.0.0, port_value: 443}", "{address: 127.0.0.1, port_value: "+port+"}", "port_value: 4000", "port_value: "+public,
			"{address: 127.0.0.1, port_value: 3000}", fmt.Sprintf("{address: %s, port_value: %s}", appHost, appPort),
			"/etc/ssl/app.crt", cert, "/etc/ssl/app.key", key, "/etc/ssl/app.pem", both,
			"app.example.com {", fmt.Sprintf("https://%s {\nbind 127.0.0.1\ntls %s %s", address, cert, key), "server_name app.example.com;", "",
		).Replace(section(t, "proxies.md", k.name))
		if reload := k.run(t, snippet, address); reload != nil {
			reloads = append(reloads, reload)
		}
		pages = append(pages, visit(t, b, k.name, "https://"+address+"/followers?short"))
	}
	clients := []string{"websocket", "sse", "poll"}
	for _, p := range pages {
		for _, kind := range clients {
			p.Run(fmt.Sprintf("plain.%s()", kind))
			p.Run(fmt.Sprintf("client(%q, {transports: [%[1]q]})", kind))
		}
	}
	each := func(hope string, ok func(follower) bool) {
		t.Helper()
		for _, p := range pages {
			for name := range p.followers() {
				p.await(name, hope, ok)
			}
		}
	}
	each("it is open", func(f follower) bool { return f.Opens > 0 && len(f.Trouble) == 0 })

	events := &publisher{t: t, admin: nodes[2].AdminURL()}
	events.publish(3)
	each("it has three events", func(f follower) bool { return slices.Equal(f.N, upTo(3)) })
	for _, p := range pages {
		if got := p.Run(`[...new Set(performance.getEntriesByType("resource").map(x => x.nextHopProtocol).filter(x => x))].join()`); got != "h2" {
			t.Errorf("%s: the page was loaded over %q", p.proxy, got)
		}
		p.Run("tabs(12)")
		eventually(t, p.proxy+": twelve streams beside each other", func() bool { return p.Run("window.open") == "12" }, func() any { return p.Run("window.open") })
		for _, name := range []string{"plain sse", "plain websocket"} {
			p.await(name, "it is told more keep-alives than a time-out lasts", func(f follower) bool { return f.Keepalives > 4 })
			if f := p.followers()[name]; f.Opens != 1 {
				t.Errorf("%s: the connection of %s that is idle does not stay: %v", p.proxy, name, f)
			}
		}
		// The page publishes through the proxy, by its cookie and by the client.
		p.Run(`(fetch("/_weft/v1/events?subject=topic.hotel.7", {method: "POST", body: "{}", headers: {"Content-Type": "application/json"}}).then(r => window.posted = r.status), 0)`)
		p.Run(`(followers.sse.weft.publish("topic.hotel.7", {}).then(id => window.published = typeof id, e => window.published = String(e)), 0)`)
		eventually(t, p.proxy+": the page publishes", func() bool { return p.Run("window.posted + window.published") == "202string" }, func() any { return p.Run("window.posted + window.published") })
	}

	// A reload cuts no stream, but Caddy's does, and answers polls that wait with 502.
	for _, reload := range reloads {
		reload()
	}
	caddys := pages[2]
	eventually(t, "Caddy has closed its WebSocket", func() bool { return len(caddys.followers()["plain websocket"].Trouble) == 1 },
		func() any { return caddys.followers()["plain websocket"] })
	events.publish(2)
	for _, p := range pages {
		for name := range p.followers() {
			if p == caddys && name == "plain websocket" {
				continue
			}
			p.await(name, "it has five events, one reload later", func(f follower) bool { return slices.Equal(f.N, upTo(5)) })
			if f := p.followers()[name]; p != caddys && f.Opens != 1 && !strings.HasSuffix(name, "poll") {
				t.Errorf("%s: a reload has cut %s: %v", p.proxy, name, f)
			}
		}
	}

	stopped := make(chan int)
	go func() { stopped <- nodes[0].Stop() }()
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for running := true; running; {
		select {
		case code := <-stopped:
			if running = false; code != 0 {
				t.Errorf("the node that was stopped ended with %d", code)
			}
		case <-pace.C:
			events.publish(1)
		}
	}
	nodes[0].Start()
	events.publish(2)
	nodes[1].Kill()
	events.publish(5)
	nodes[1].Start()
	events.publish(2)
	for _, p := range pages {
		for name := range p.followers() {
			if name == "plain websocket" {
				continue // nobody opens it again
			}
			p.await(name, fmt.Sprintf("it has each of %d events once, in order", events.n), func(f follower) bool { return slices.Equal(f.N, upTo(events.n)) })
			if f := p.followers()[name]; f.Resets != 0 || len(f.Trouble) > 0 {
				t.Errorf("%s, %s: %v", p.proxy, name, f)
			}
		}
	}
}
