package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// An asked is a request to a node, and what is sent with it.
type asked struct {
	method, path string
	header       map[string]string
	body         io.Reader
}

// An answered is the answer to it. code is that of a problem.
type answered struct {
	status int
	header http.Header
	body   string
	code   string
	detail string
}

// ask sends a request to the public listener of a node.
func ask(t testing.TB, n *stage.Node, q asked) answered {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if q.method == "" {
		q.method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(ctx, q.method, n.URL()+q.path, q.body)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %s: %v", q.method, q.path, err)
	}
	return answerOf(t, res)
}

func answerOf(t testing.TB, res *http.Response) answered {
	t.Helper()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	a := answered{status: res.StatusCode, header: res.Header, body: string(text)}
	if res.Header.Get("Content-Type") == "application/problem+json" {
		var p struct{ Code, Detail string }
		if err := json.Unmarshal(text, &p); err != nil {
			t.Errorf("a problem that is none: %s", text)
		}
		a.code, a.detail = p.Code, p.Detail
	}
	return a
}

func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token}
}

// having is a header with one more field.
func having(h map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	for k, v := range h {
		out[k] = v
	}
	return out
}

// A guarded is a node with routes of each mode to one back end.
type guarded struct {
	node *stage.Node
	back *stage.Backend
}

const (
	appOrigin   = "https://app.example.com"
	shopOrigin  = "https://shop.example.com"
	otherOrigin = "https://evil.example.net"
)

// guard starts a node and a back end with routes: /none, /optional, /token, /buyers, /rated
// and /shop, whose names are those.
func guard(t *testing.T, settings stage.Config) *guarded {
	t.Helper()
	g := &guarded{stage.StartNode(t, settings), stage.StartBackend(t, nil)}
	put := func(name string, more stage.Route) {
		doc := stage.Route{"pattern": "/" + name + "/{rest...}", "target": g.back.URL()}
		for k, v := range more {
			doc[k] = v
		}
		stage.PutRoute(t, g.node, name, doc)
	}
	put("none", stage.Route{"auth": stage.Route{"mode": "none"}})
	put("optional", stage.Route{"auth": stage.Route{"mode": "optional"}})
	put("token", nil)
	put("buyers", stage.Route{"auth": stage.Route{"require": stage.Route{"/roles": []string{"buyer", "7"}, "/org/id": []string{"12"}}}})
	put("small", stage.Route{"auth": stage.Route{"mode": "none"}, "body_limit": "1KiB"})
	put("shop", stage.Route{"cors": []string{shopOrigin}})
	return g
}

// expect asks, and checks status, code, that the target heard of it or not, and that the
// answer has an X-Request-Id.
func (g *guarded) expect(t *testing.T, q asked, status int, code string) answered {
	t.Helper()
	g.back.Forget()
	a := ask(t, g.node, q)
	if a.status != status || a.code != code {
		t.Errorf("%s %s %v: %d %s (%s), want %d %s", q.method, q.path, q.header, a.status, a.code, a.body, status, code)
	}
	if got := len(g.back.Received()); (got > 0) != (status == 200) {
		t.Errorf("%s %s %v: answered %d, and the back end has %d requests", q.method, q.path, q.header, a.status, got)
	}
	if len(a.header.Values("X-Request-Id")) != 1 {
		t.Errorf("%s %s: X-Request-Id is %q", q.method, q.path, a.header.Values("X-Request-Id"))
	}
	if (status == 401) != (a.header.Get("WWW-Authenticate") == "Bearer") {
		t.Errorf("%s %s: %d with WWW-Authenticate %q", q.method, q.path, status, a.header.Get("WWW-Authenticate"))
	}
	return a
}

func TestProtectionOfRoutes(t *testing.T) {
	g := guard(t, stage.Settings(t.TempDir()).With("public.cors_origins", []string{appOrigin}))
	ann := stage.Token(t, "ann", stage.Claims{"jti": "ann-1"})

	t.Run("path and method come before all else", func(t *testing.T) {
		g.expect(t, asked{path: "/none/%2e%2e/x"}, 400, "bad_request")
		g.expect(t, asked{path: "//none/x"}, 400, "bad_request")
		for _, method := range []string{"TRACE", "CONNECT"} {
			a := rawAnswer(t, g.node, method+" /none/x HTTP/1.1\r\nHost: weft\r\nConnection: close\r\n\r\n")
			if a.status != 405 || a.code != "bad_request" || a.header.Get("Allow") != "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT" {
				t.Errorf("%s: %d %s, Allow %q", method, a.status, a.body, a.header.Get("Allow"))
			}
		}
	})

	t.Run("a path without a route is 404, one without the method 405", func(t *testing.T) {
		g.expect(t, asked{path: "/nowhere"}, 404, "not_found")
		stage.PutRoute(t, g.node, "get-only", stage.Route{"pattern": "GET /get-only", "target": g.back.URL()})
		stage.PutRoute(t, g.node, "put-only", stage.Route{"pattern": "PUT /get-only", "target": g.back.URL()})
		a := g.expect(t, asked{method: "DELETE", path: "/get-only"}, 405, "bad_request")
		if allow := a.header.Get("Allow"); allow != "GET, HEAD, PUT" {
			t.Errorf("Allow is %q", allow)
		}
	})

	t.Run("mode token, which is the default, wants a good one", func(t *testing.T) {
		g.expect(t, asked{path: "/token/x"}, 401, "token_missing")
		g.expect(t, asked{path: "/token/x", header: bearer(ann + "x")}, 401, "token_invalid")
		g.expect(t, asked{path: "/token/x", header: bearer(stage.Token(t, "ann", stage.Claims{"exp": time.Now().Add(-time.Minute).Unix()}))}, 401, "token_expired")
		g.expect(t, asked{path: "/token/x", header: bearer(ann)}, 200, "")
		if h := g.back.Received()[0].Header; h.Get("Weft-User") != "ann" || h.Get("Weft-Session") != "ann-1" {
			t.Errorf("the back end has %v", h)
		}
		g.expect(t, asked{path: "/token/x", header: map[string]string{"Cookie": "weft_token=" + ann}}, 200, "")
	})

	t.Run("mode optional takes none, and no bad one", func(t *testing.T) {
		g.expect(t, asked{path: "/optional/x"}, 200, "")
		if h := g.back.Received()[0].Header; h.Get("Weft-User") != "" {
			t.Errorf("the back end has %v", h)
		}
		g.expect(t, asked{path: "/optional/x", header: bearer("nonsense")}, 401, "token_invalid")
		g.expect(t, asked{path: "/optional/x", header: bearer(ann)}, 200, "")
		if h := g.back.Received()[0].Header; h.Get("Weft-User") != "ann" {
			t.Errorf("the back end has %v", h)
		}
	})

	t.Run("mode none looks at nothing and hands nobody on", func(t *testing.T) {
		for _, h := range []map[string]string{nil, bearer("nonsense"), bearer(ann), {"Cookie": "weft_token=" + ann, "Origin": otherOrigin, "Sec-Fetch-Site": "cross-site"}} {
			g.expect(t, asked{method: "POST", path: "/none/x", header: h}, 200, "")
			if h := g.back.Received()[0].Header; h.Get("Weft-User") != "" || h.Get("Weft-Session") != "" {
				t.Errorf("the back end has %v", h)
			}
		}
	})

	t.Run("require wants each of its claims, by any of its values", func(t *testing.T) {
		for _, c := range []struct {
			claims stage.Claims
			good   bool
		}{
			{stage.Claims{"roles": []string{"admin", "buyer"}, "org": map[string]any{"id": "12"}}, true},
			{stage.Claims{"roles": "buyer", "org": map[string]any{"id": 12}}, true},
			{stage.Claims{"roles": []any{7}, "org": map[string]any{"id": 12}}, true},
			{stage.Claims{"roles": []string{"admin"}, "org": map[string]any{"id": "12"}}, false},
			{stage.Claims{"roles": []string{"buyer"}, "org": map[string]any{"id": "13"}}, false},
			{stage.Claims{"roles": []string{"buyer"}}, false},
			{stage.Claims{"org": map[string]any{"id": "12"}}, false},
			{nil, false},
		} {
			status, code := 403, "forbidden"
			if c.good {
				status, code = 200, ""
			}
			g.expect(t, asked{path: "/buyers/x", header: bearer(stage.Token(t, "ann", c.claims))}, status, code)
		}
	})

	t.Run("with a cookie, unsafe methods and upgrades want a permitted origin", func(t *testing.T) {
		cookie := map[string]string{"Cookie": "weft_token=" + ann}
		cross := having(cookie, "Sec-Fetch-Site", "cross-site")
		g.expect(t, asked{path: "/token/x", header: having(cross, "Origin", otherOrigin)}, 200, "")
		a := g.expect(t, asked{method: "POST", path: "/token/x", header: having(cross, "Origin", otherOrigin)}, 403, "forbidden")
		for _, key := range []string{"public.cors_origins", "cors"} {
			if !strings.Contains(a.detail, key) {
				t.Errorf("%q does not say that %s adds an origin", a.detail, key)
			}
		}
		g.expect(t, asked{method: "POST", path: "/token/x", header: having(cross, "Origin", appOrigin)}, 200, "")
		g.expect(t, asked{method: "POST", path: "/token/x", header: having(cross, "Origin", shopOrigin)}, 403, "forbidden")
		g.expect(t, asked{method: "POST", path: "/shop/x", header: having(cross, "Origin", shopOrigin)}, 200, "")
		g.expect(t, asked{method: "POST", path: "/shop/x", header: having(cross, "Origin", appOrigin)}, 200, "")
		g.expect(t, asked{method: "POST", path: "/optional/x", header: having(cross, "Origin", otherOrigin)}, 403, "forbidden")
		g.expect(t, asked{method: "POST", path: "/token/x", header: having(bearer(ann), "Origin", otherOrigin)}, 200, "")
		upgrade := having(having(having(cookie, "Upgrade", "websocket"), "Connection", "Upgrade"), "Sec-WebSocket-Key", "MDEyMzQ1Njc4OWFiY2RlZg==")
		g.expect(t, asked{path: "/token/x", header: having(upgrade, "Origin", otherOrigin)}, 403, "forbidden")
		g.expect(t, asked{path: "/token/x", header: upgrade}, 403, "forbidden")
	})

	t.Run("a declared body above the limit never reaches the target, an undeclared one ends as 413", func(t *testing.T) {
		g.expect(t, asked{method: "POST", path: "/small/x", body: strings.NewReader(strings.Repeat("x", 1024))}, 200, "")
		g.expect(t, asked{method: "POST", path: "/small/x", body: strings.NewReader(strings.Repeat("x", 1025))}, 413, "too_large")
		g.back.Forget()
		if a := ask(t, g.node, asked{method: "POST", path: "/small/x", body: io.MultiReader(strings.NewReader(strings.Repeat("x", 1025)))}); a.status != 413 || a.code != "too_large" {
			t.Errorf("%d %s", a.status, a.body)
		}
		g.expect(t, asked{method: "POST", path: "/small/x", body: io.MultiReader(strings.NewReader(strings.Repeat("x", 1024)))}, 200, "")
	})

	t.Run("what follows a body that was refused is no request", func(t *testing.T) {
		for name, head := range map[string]string{
			"declared": "Content-Length: 300000\r\n\r\n", "in chunks": "Transfer-Encoding: chunked\r\n\r\n40000\r\n",
		} {
			g.back.Forget()
			conn := dial(t, g.node)
			smuggled := "GET /none/smuggled HTTP/1.1\r\nHost: weft\r\n\r\n"
			_, _ = fmt.Fprint(conn, "POST /small/x HTTP/1.1\r\nHost: weft\r\n"+head+strings.Repeat("x", 2000)+smuggled)
			in := bufio.NewReader(conn)
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if a := answerOf(t, res); a.status != 413 || !res.Close {
				t.Errorf("%s: %d %s, last one: %v", name, a.status, a.body, res.Close)
			}
			if rest, _ := io.ReadAll(in); len(rest) > 0 {
				t.Errorf("%s: there is more: %q", name, rest)
			}
			for _, r := range g.back.Received() {
				if strings.Contains(r.Target, "smuggled") {
					t.Errorf("%s: the back end has %+v", name, r)
				}
			}
		}
	})

	t.Run("100 Continue is not said before protection has passed", func(t *testing.T) {
		conn := dial(t, g.node)
		_, _ = fmt.Fprint(conn, "POST /token/x HTTP/1.1\r\nHost: weft\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		line, _ := bufio.NewReader(conn).ReadString('\n')
		if !strings.Contains(line, " 401 ") {
			t.Errorf("the first answer is %q", line)
		}
		conn = dial(t, g.node)
		_, _ = fmt.Fprintf(conn, "POST /token/x HTTP/1.1\r\nHost: weft\r\nAuthorization: Bearer %s\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", ann)
		in := bufio.NewReader(conn)
		if line, _ = in.ReadString('\n'); !strings.Contains(line, " 100 ") {
			t.Errorf("the first answer is %q", line)
		}
		_, _ = in.ReadString('\n')
		_, _ = fmt.Fprint(conn, "12345")
		if line, _ = in.ReadString('\n'); !strings.Contains(line, " 200 ") {
			t.Errorf("the second answer is %q", line)
		}
	})

	t.Run("an absolute-form target is the path in it", func(t *testing.T) {
		if a := rawAnswer(t, g.node, "GET http://weft/none/a%20b?x HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n"); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
		if got := g.back.Received(); got[len(got)-1].Target != "/none/a%20b?x" {
			t.Errorf("the back end has %+v", got[len(got)-1])
		}
		if a := rawAnswer(t, g.node, "GET http://weft//none/x HTTP/1.1\r\nHost: weft\r\nConnection: close\r\n\r\n"); a.status != 400 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

func dial(t *testing.T, n *stage.Node) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", n.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// rawAnswer sends bytes on a connection of its own.
func rawAnswer(t *testing.T, n *stage.Node, request string) answered {
	t.Helper()
	conn := dial(t, n)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	return answerOf(t, res)
}

func TestRatesOfRoutes(t *testing.T) {
	n, back := stage.StartNode(t, stage.Settings(t.TempDir()).With("public.trusted_proxies", []string{"127.0.0.1"})), stage.StartBackend(t, nil)
	put := func(name, mode, per, limit string, burst int) {
		stage.PutRoute(t, n, name, stage.Route{"pattern": "/" + name, "target": back.URL(), "auth": stage.Route{"mode": mode},
			"rate": stage.Route{"per": per, "limit": limit, "burst": burst}})
	}
	many := func(path string, count int, header map[string]string) (good int, last answered) {
		for range count {
			if last = ask(t, n, asked{path: path, header: header}); last.status == 200 {
				good++
			}
		}
		return good, last
	}
	from := func(address string) map[string]string { return map[string]string{"X-Forwarded-For": address} }

	t.Run("by user", func(t *testing.T) {
		put("by-user", "token", "user", "1/h", 3)
		good, last := many("/by-user", 5, bearer(stage.Token(t, "ann", nil)))
		if good != 3 || last.status != 429 || last.code != "limit" || last.header.Get("Retry-After") != "3600" {
			t.Errorf("%d of 5 passed, the last was %d %s, Retry-After %q", good, last.status, last.body, last.header.Get("Retry-After"))
		}
		if good, _ := many("/by-user", 5, bearer(stage.Token(t, "ann", stage.Claims{"jti": "another"}))); good != 0 {
			t.Errorf("another token of the user has another rate: %d passed", good)
		}
		if good, _ := many("/by-user", 5, bearer(stage.Token(t, "bob", nil))); good != 3 {
			t.Errorf("%d of another user's passed", good)
		}
	})
	t.Run("by address, of IPv6 by /64", func(t *testing.T) {
		put("by-address", "none", "address", "1/m", 2)
		for address, want := range map[string]int{"192.0.2.1": 2, "192.0.2.2": 2, "2001:db8:0:1::1": 2, "2001:db8:0:2::1": 2} {
			if good, _ := many("/by-address", 3, from(address)); good != want {
				t.Errorf("%d of 3 from %s passed", good, address)
			}
		}
		if good, _ := many("/by-address", 3, from("2001:db8:0:1:ffff::2")); good != 0 {
			t.Errorf("another address of the /64 has another rate: %d passed", good)
		}
	})
	t.Run("by route, and it is kept over changes that do not change it", func(t *testing.T) {
		put("by-route", "none", "route", "1/h", 2)
		if good, _ := many("/by-route", 3, nil); good != 2 {
			t.Errorf("%d of 3 passed", good)
		}
		stage.PutRoute(t, n, "by-route", stage.Route{"pattern": "/by-route", "target": back.URL(), "description": "another one", "auth": stage.Route{"mode": "none"},
			"rate": stage.Route{"per": "route", "limit": "1/h", "burst": 2}})
		if good, _ := many("/by-route", 3, nil); good != 0 {
			t.Errorf("%d of 3 passed after a change of something else", good)
		}
		put("by-route", "none", "route", "1/h", 3)
		if good, _ := many("/by-route", 4, nil); good != 3 {
			t.Errorf("%d of 4 passed after a change of the rate", good)
		}
	})
	t.Run("time gives tokens back", func(t *testing.T) {
		put("refilled", "none", "route", "20/s", 1)
		many("/refilled", 2, nil)
		waitfor.True(t, func() bool { return ask(t, n, asked{path: "/refilled"}).status == 200 })
	})
}

func TestCORSOfRoutes(t *testing.T) {
	n := stage.StartNode(t, stage.Settings(t.TempDir()).With("public.cors_origins", []string{appOrigin}))
	back := stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Methods", "BACKEND")
		w.Header().Set("X-Total", "7")
		w.Header().Set("Vary", "Accept")
	})
	shared := stage.Route{"cors": []string{shopOrigin}, "auth": stage.Route{"mode": "none"}, "target": back.URL()}
	route := func(pattern string, more stage.Route) stage.Route {
		doc := stage.Route{"pattern": pattern}
		for k, v := range more {
			doc[k] = v
		}
		return doc
	}
	stage.PutRoute(t, n, "read", route("GET /shared", shared))
	stage.PutRoute(t, n, "write", route("POST /shared", shared))
	stage.PutRoute(t, n, "any", route("/any", shared))
	stage.PutRoute(t, n, "own", route("/own", stage.Route{"auth": stage.Route{"mode": "none"}, "target": back.URL()}))
	stage.PutRoute(t, n, "locked", route("/locked", stage.Route{"cors": []string{shopOrigin}, "target": back.URL()}))
	preflight := func(path, origin, method, headers string) answered {
		h := map[string]string{"Origin": origin, "Access-Control-Request-Method": method}
		if headers != "" {
			h["Access-Control-Request-Headers"] = headers
		}
		return ask(t, n, asked{method: "OPTIONS", path: path, header: h})
	}
	get := func(a answered, name string) string { return strings.Join(a.header.Values(name), "|") }

	t.Run("Weft answers preflights of a route with cors", func(t *testing.T) {
		back.Forget()
		a := preflight("/shared", shopOrigin, "POST", "x-one, Authorization")
		if a.status != 204 || get(a, "Access-Control-Allow-Origin") != shopOrigin || get(a, "Access-Control-Allow-Methods") != "GET, HEAD, POST" ||
			get(a, "Access-Control-Allow-Headers") != "x-one, authorization" || get(a, "Access-Control-Max-Age") != "7200" ||
			get(a, "Access-Control-Allow-Credentials") != "true" {
			t.Errorf("%d %v", a.status, a.header)
		}
		if a = preflight("/any", shopOrigin, "PURGE", ""); a.status != 204 || !strings.Contains(get(a, "Access-Control-Allow-Methods"), "PURGE") {
			t.Errorf("%d %v", a.status, a.header)
		}
		for _, origin := range []string{otherOrigin, appOrigin} {
			if a = preflight("/shared", origin, "POST", ""); a.status != 403 || get(a, "Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: %d %v", origin, a.status, a.header)
			}
		}
		var names []string
		for i := range 100 {
			names = append(names, fmt.Sprintf("x-%d", i))
		}
		a = preflight("/shared", shopOrigin, "POST", strings.Join(names, ","))
		if got := strings.Split(get(a, "Access-Control-Allow-Headers"), ", "); len(got) != 64 {
			t.Errorf("%d headers are echoed", len(got))
		}
		if got := back.Received(); len(got) > 0 {
			t.Errorf("the back end has %+v", got)
		}
	})
	t.Run("its answers have Weft's headers, not the back end's", func(t *testing.T) {
		a := ask(t, n, asked{path: "/shared", header: map[string]string{"Origin": shopOrigin}})
		if a.status != 200 || get(a, "Access-Control-Allow-Origin") != shopOrigin || get(a, "Access-Control-Allow-Methods") != "" ||
			get(a, "Vary") != "Accept|Origin" || !strings.Contains(get(a, "Access-Control-Expose-Headers"), "X-Total") {
			t.Errorf("%d %v", a.status, a.header)
		}
		a = ask(t, n, asked{path: "/shared", header: map[string]string{"Origin": otherOrigin}})
		if a.status != 200 || get(a, "Access-Control-Allow-Origin") != "" {
			t.Errorf("%d %v", a.status, a.header)
		}
		a = ask(t, n, asked{path: "/locked", header: map[string]string{"Origin": shopOrigin}})
		if a.status != 401 || get(a, "Access-Control-Allow-Origin") != shopOrigin {
			t.Errorf("a page cannot read a problem: %d %v", a.status, a.header)
		}
	})
	t.Run("without cors OPTIONS is a method like others and nothing is touched", func(t *testing.T) {
		back.Forget()
		a := preflight("/own", otherOrigin, "POST", "x-one")
		if a.status != 200 || get(a, "Access-Control-Allow-Origin") != "*" || get(a, "Access-Control-Allow-Methods") != "BACKEND" || get(a, "Vary") != "Accept" {
			t.Errorf("%d %v", a.status, a.header)
		}
		if got := back.Await(1); got.Method != "OPTIONS" {
			t.Errorf("the back end has %+v", got)
		}
	})
	t.Run("preflights of Weft's own paths are as before", func(t *testing.T) {
		a := preflight("/_weft/v1/events", appOrigin, "POST", "")
		if a.status != 204 || get(a, "Access-Control-Allow-Origin") != appOrigin {
			t.Errorf("%d %v", a.status, a.header)
		}
		if a = ask(t, n, asked{path: "/nowhere", header: map[string]string{"Origin": appOrigin}}); get(a, "Vary") != "" {
			t.Errorf("%d %v", a.status, a.header)
		}
	})
}

func TestRoutesInAuthModeNoneTrustUser(t *testing.T) {
	g := guard(t, stage.Settings(t.TempDir()).With("auth.mode", "none").With("auth.issuers", nil))
	g.expect(t, asked{path: "/token/x"}, 401, "token_missing")
	g.expect(t, asked{path: "/token/x?user=ann"}, 200, "")
	if got := g.back.Received()[0]; got.Header.Get("Weft-User") != "ann" || got.Target != "/token/x?user=ann" {
		t.Errorf("the back end has %+v", got)
	}
	g.expect(t, asked{path: "/token/x?user=" + strings.Repeat("a", 201)}, 400, "bad_request")
	g.expect(t, asked{path: "/token/x?user=ann&user=bob"}, 400, "bad_request")
	g.expect(t, asked{path: "/optional/x"}, 200, "")
	g.expect(t, asked{method: "POST", path: "/token/x?user=ann", header: map[string]string{"Origin": otherOrigin, "Sec-Fetch-Site": "cross-site"}}, 403, "forbidden")
	g.expect(t, asked{path: "/none/x"}, 200, "")
	if a := rawAnswer(t, g.node, "GET /none/x HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n"); a.status != 421 {
		t.Errorf("a host of somebody else's is answered %d", a.status)
	}
}
