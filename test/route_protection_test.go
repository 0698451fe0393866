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

	"weft/test/stage"
)

// A routeAsk is a request to a node, and what is sent with it.
type routeAsk struct {
	method, path string
	header       map[string]string
	body         io.Reader
}

// A routeAnswer is the answer to it. code is that of a problem.
type routeAnswer struct {
	status int
	header http.Header
	body   string
	code   string
	detail string
}

// askRoute sends a request to the public listener of a node.
func askRoute(t testing.TB, n *stage.Node, q routeAsk) routeAnswer {
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
	return routeAnswerOf(t, res)
}

func routeAnswerOf(t testing.TB, res *http.Response) routeAnswer {
	t.Helper()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	a := routeAnswer{status: res.StatusCode, header: res.Header, body: string(text)}
	if res.Header.Get("Content-Type") == "application/problem+json" {
		var p struct{ Code, Detail string }
		if err := json.Unmarshal(text, &p); err != nil {
			t.Errorf("a problem that is none: %s", text)
		}
		a.code, a.detail = p.Code, p.Detail
	}
	return a
}

func bearerOf(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token}
}

// havingHeader is a header with one more field.
func havingHeader(h map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	for k, v := range h {
		out[k] = v
	}
	return out
}

// A guardedRoutes is a node with routes of each mode to one back end.
type guardedRoutes struct {
	node *stage.Node
	back *stage.Backend
}

const (
	appOrigin   = "https://app.example.com"
	shopOrigin  = "https://shop.example.com"
	otherOrigin = "https://evil.example.net"
)

// guardRoutes starts a node and a back end with routes: /none, /optional, /token, /buyers, /rated
// and /shop, whose names are those.
func guardRoutes(t *testing.T, settings stage.Config) *guardedRoutes {
	t.Helper()
	g := &guardedRoutes{stage.StartNode(t, settings), stage.StartBackend(t, nil)}
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
func (g *guardedRoutes) expect(t *testing.T, q routeAsk, status int, code string) routeAnswer {
	t.Helper()
	g.back.Forget()
	a := askRoute(t, g.node, q)
	if a.status != status || a.code != code {
		t.Errorf("%s %s %v: %d %s (%s), want %d %s", q.method, q.path, q.header, a.status, a.code, a.body, status, code)
	}
	if got := len(g.back.Received()); (got > 0) != (status == 200) {
		t.Errorf("%s %s %v: routeAnswer %d, and the back end has %d requests", q.method, q.path, q.header, a.status, got)
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
	g := guardRoutes(t, stage.Settings(t.TempDir()).With("public.cors_origins", []string{appOrigin}))
	ann := stage.Token(t, "ann", stage.Claims{"jti": "ann-1"})

	t.Run("path and method come before all else", func(t *testing.T) {
		g.expect(t, routeAsk{path: "/none/%2e%2e/x"}, 400, "bad_request")
		g.expect(t, routeAsk{path: "//none/x"}, 400, "bad_request")
		for _, method := range []string{"TRACE", "CONNECT"} {
			a := rawRouteAnswer(t, g.node, method+" /none/x HTTP/1.1\r\nHost: weft\r\nConnection: close\r\n\r\n")
			if a.status != 405 || a.code != "bad_request" || a.header.Get("Allow") != "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT" {
				t.Errorf("%s: %d %s, Allow %q", method, a.status, a.body, a.header.Get("Allow"))
			}
		}
	})

	t.Run("a path without a route is 404, one without the method 405", func(t *testing.T) {
		g.expect(t, routeAsk{path: "/nowhere"}, 404, "not_found")
		stage.PutRoute(t, g.node, "get-only", stage.Route{"pattern": "GET /get-only", "target": g.back.URL()})
		stage.PutRoute(t, g.node, "put-only", stage.Route{"pattern": "PUT /get-only", "target": g.back.URL()})
		a := g.expect(t, routeAsk{method: "DELETE", path: "/get-only"}, 405, "bad_request")
		if allow := a.header.Get("Allow"); allow != "GET, HEAD, PUT" {
			t.Errorf("Allow is %q", allow)
		}
	})

	t.Run("mode token, which is the default, wants a good one", func(t *testing.T) {
		g.expect(t, routeAsk{path: "/token/x"}, 401, "token_missing")
		g.expect(t, routeAsk{path: "/token/x", header: bearerOf(ann + "x")}, 401, "token_invalid")
		g.expect(t, routeAsk{path: "/token/x", header: bearerOf(stage.Token(t, "ann", stage.Claims{"exp": time.Now().Add(-time.Minute).Unix()}))}, 401, "token_expired")
		g.expect(t, routeAsk{path: "/token/x", header: bearerOf(ann)}, 200, "")
		if h := g.back.Received()[0].Header; h.Get("Weft-User") != "ann" || h.Get("Weft-Session") != "ann-1" {
			t.Errorf("the back end has %v", h)
		}
		g.expect(t, routeAsk{path: "/token/x", header: map[string]string{"Cookie": "weft_token=" + ann}}, 200, "")
	})

	t.Run("mode optional takes none, and no bad one", func(t *testing.T) {
		g.expect(t, routeAsk{path: "/optional/x"}, 200, "")
		if h := g.back.Received()[0].Header; h.Get("Weft-User") != "" {
			t.Errorf("the back end has %v", h)
		}
		g.expect(t, routeAsk{path: "/optional/x", header: bearerOf("nonsense")}, 401, "token_invalid")
		g.expect(t, routeAsk{path: "/optional/x", header: bearerOf(ann)}, 200, "")
		if h := g.back.Received()[0].Header; h.Get("Weft-User") != "ann" {
			t.Errorf("the back end has %v", h)
		}
	})

	t.Run("mode none looks at nothing and hands nobody on", func(t *testing.T) {
		for _, h := range []map[string]string{nil, bearerOf("nonsense"), bearerOf(ann), {"Cookie": "weft_token=" + ann, "Origin": otherOrigin, "Sec-Fetch-Site": "cross-site"}} {
			g.expect(t, routeAsk{method: "POST", path: "/none/x", header: h}, 200, "")
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
			g.expect(t, routeAsk{path: "/buyers/x", header: bearerOf(stage.Token(t, "ann", c.claims))}, status, code)
		}
	})

	t.Run("with a cookie, unsafe methods and upgrades want a permitted origin", func(t *testing.T) {
		cookie := map[string]string{"Cookie": "weft_token=" + ann}
		cross := havingHeader(cookie, "Sec-Fetch-Site", "cross-site")
		g.expect(t, routeAsk{path: "/token/x", header: havingHeader(cross, "Origin", otherOrigin)}, 200, "")
		a := g.expect(t, routeAsk{method: "POST", path: "/token/x", header: havingHeader(cross, "Origin", otherOrigin)}, 403, "forbidden")
		for _, key := range []string{"public.cors_origins", "cors"} {
			if !strings.Contains(a.detail, key) {
				t.Errorf("%q does not say that %s adds an origin", a.detail, key)
			}
		}
		g.expect(t, routeAsk{method: "POST", path: "/token/x", header: havingHeader(cross, "Origin", appOrigin)}, 200, "")
		g.expect(t, routeAsk{method: "POST", path: "/token/x", header: havingHeader(cross, "Origin", shopOrigin)}, 403, "forbidden")
		g.expect(t, routeAsk{method: "POST", path: "/shop/x", header: havingHeader(cross, "Origin", shopOrigin)}, 200, "")
		g.expect(t, routeAsk{method: "POST", path: "/shop/x", header: havingHeader(cross, "Origin", appOrigin)}, 200, "")
		g.expect(t, routeAsk{method: "POST", path: "/optional/x", header: havingHeader(cross, "Origin", otherOrigin)}, 403, "forbidden")
		g.expect(t, routeAsk{method: "POST", path: "/token/x", header: havingHeader(bearerOf(ann), "Origin", otherOrigin)}, 200, "")
		upgrade := havingHeader(havingHeader(havingHeader(cookie, "Upgrade", "websocket"), "Connection", "Upgrade"), "Sec-WebSocket-Key", "MDEyMzQ1Njc4OWFiY2RlZg==")
		g.expect(t, routeAsk{path: "/token/x", header: havingHeader(upgrade, "Origin", otherOrigin)}, 403, "forbidden")
		g.expect(t, routeAsk{path: "/token/x", header: upgrade}, 403, "forbidden")
	})

	t.Run("a declared body above the limit never reaches the target, an undeclared one ends as 413", func(t *testing.T) {
		g.expect(t, routeAsk{method: "POST", path: "/small/x", body: strings.NewReader(strings.Repeat("x", 1024))}, 200, "")
		g.expect(t, routeAsk{method: "POST", path: "/small/x", body: strings.NewReader(strings.Repeat("x", 1025))}, 413, "too_large")
		g.back.Forget()
		if a := askRoute(t, g.node, routeAsk{method: "POST", path: "/small/x", body: io.MultiReader(strings.NewReader(strings.Repeat("x", 1025)))}); a.status != 413 || a.code != "too_large" {
			t.Errorf("%d %s", a.status, a.body)
		}
		g.expect(t, routeAsk{method: "POST", path: "/small/x", body: io.MultiReader(strings.NewReader(strings.Repeat("x", 1024)))}, 200, "")
	})

	t.Run("what follows a body that was refused is no request", func(t *testing.T) {
		for name, head := range map[string]string{
			"declared": "Content-Length: 300000\r\n\r\n", "in chunks": "Transfer-Encoding: chunked\r\n\r\n40000\r\n",
		} {
			g.back.Forget()
			conn := dialPublic(t, g.node)
			smuggled := "GET /none/smuggled HTTP/1.1\r\nHost: weft\r\n\r\n"
			_, _ = fmt.Fprint(conn, "POST /small/x HTTP/1.1\r\nHost: weft\r\n"+head+strings.Repeat("x", 2000)+smuggled)
			in := bufio.NewReader(conn)
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if a := routeAnswerOf(t, res); a.status != 413 || !res.Close {
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
		conn := dialPublic(t, g.node)
		_, _ = fmt.Fprint(conn, "POST /token/x HTTP/1.1\r\nHost: weft\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		line, _ := bufio.NewReader(conn).ReadString('\n')
		if !strings.Contains(line, " 401 ") {
			t.Errorf("the first answer is %q", line)
		}
		conn = dialPublic(t, g.node)
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
		if a := rawRouteAnswer(t, g.node, "GET http://weft/none/a%20b?x HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n"); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
		if got := g.back.Received(); got[len(got)-1].Target != "/none/a%20b?x" {
			t.Errorf("the back end has %+v", got[len(got)-1])
		}
		if a := rawRouteAnswer(t, g.node, "GET http://weft//none/x HTTP/1.1\r\nHost: weft\r\nConnection: close\r\n\r\n"); a.status != 400 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

func dialPublic(t *testing.T, n *stage.Node) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", n.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// rawRouteAnswer sends bytes on a connection of its own.
func rawRouteAnswer(t *testing.T, n *stage.Node, request string) routeAnswer {
	t.Helper()
	conn := dialPublic(t, n)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	return routeAnswerOf(t, res)
}

func TestRoutesInAuthModeNoneTrustUser(t *testing.T) {
	g := guardRoutes(t, stage.Settings(t.TempDir()).With("auth.mode", "none").With("auth.issuers", nil))
	g.expect(t, routeAsk{path: "/token/x"}, 401, "token_missing")
	g.expect(t, routeAsk{path: "/token/x?user=ann"}, 200, "")
	if got := g.back.Received()[0]; got.Header.Get("Weft-User") != "ann" || got.Target != "/token/x?user=ann" {
		t.Errorf("the back end has %+v", got)
	}
	g.expect(t, routeAsk{path: "/token/x?user=" + strings.Repeat("a", 201)}, 400, "bad_request")
	g.expect(t, routeAsk{path: "/token/x?user=ann&user=bob"}, 400, "bad_request")
	g.expect(t, routeAsk{path: "/optional/x"}, 200, "")
	g.expect(t, routeAsk{method: "POST", path: "/token/x?user=ann", header: map[string]string{"Origin": otherOrigin, "Sec-Fetch-Site": "cross-site"}}, 403, "forbidden")
	g.expect(t, routeAsk{path: "/none/x"}, 200, "")
	if a := rawRouteAnswer(t, g.node, "GET /none/x HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n"); a.status != 421 {
		t.Errorf("a host of somebody else's is routeAnswer %d", a.status)
	}
}
