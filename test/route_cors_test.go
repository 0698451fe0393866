package test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

func TestRatesOfRoutes(t *testing.T) {
	n, back := stage.StartNode(t, stage.Settings(t.TempDir()).With("public.trusted_proxies", []string{"127.0.0.1"})), stage.StartBackend(t, nil)
	put := func(name, mode, per, limit string, burst int) {
		stage.PutRoute(t, n, name, stage.Route{"pattern": "/" + name, "target": back.URL(), "auth": stage.Route{"mode": mode},
			"rate": stage.Route{"per": per, "limit": limit, "burst": burst}})
	}
	many := func(path string, count int, header map[string]string) (good int, last routeAnswer) {
		for range count {
			if last = askRoute(t, n, routeAsk{path: path, header: header}); last.status == 200 {
				good++
			}
		}
		return good, last
	}
	from := func(address string) map[string]string { return map[string]string{"X-Forwarded-For": address} }

	t.Run("by user", func(t *testing.T) {
		put("by-user", "token", "user", "1/h", 3)
		good, last := many("/by-user", 5, bearerOf(stage.Token(t, "ann", nil)))
		again, err := strconv.Atoi(last.header.Get("Retry-After")) // an hour from the first one on
		if good != 3 || last.status != 429 || last.code != "limit" || err != nil || again > 3600 || again < 3540 {
			t.Errorf("%d of 5 passed, the last was %d %s, Retry-After %q", good, last.status, last.body, last.header.Get("Retry-After"))
		}
		if good, _ := many("/by-user", 5, bearerOf(stage.Token(t, "ann", stage.Claims{"jti": "another"}))); good != 0 {
			t.Errorf("another token of the user has another rate: %d passed", good)
		}
		if good, _ := many("/by-user", 5, bearerOf(stage.Token(t, "bob", nil))); good != 3 {
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
		waitfor.True(t, func() bool { return askRoute(t, n, routeAsk{path: "/refilled"}).status == 200 })
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
	preflight := func(path, origin, method, headers string) routeAnswer {
		h := map[string]string{"Origin": origin, "Access-Control-Request-Method": method}
		if headers != "" {
			h["Access-Control-Request-Headers"] = headers
		}
		return askRoute(t, n, routeAsk{method: "OPTIONS", path: path, header: h})
	}
	get := func(a routeAnswer, name string) string { return strings.Join(a.header.Values(name), "|") }

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
		a := askRoute(t, n, routeAsk{path: "/shared", header: map[string]string{"Origin": shopOrigin}})
		if a.status != 200 || get(a, "Access-Control-Allow-Origin") != shopOrigin || get(a, "Access-Control-Allow-Methods") != "" ||
			get(a, "Vary") != "Accept|Origin" || !strings.Contains(get(a, "Access-Control-Expose-Headers"), "X-Total") {
			t.Errorf("%d %v", a.status, a.header)
		}
		a = askRoute(t, n, routeAsk{path: "/shared", header: map[string]string{"Origin": otherOrigin}})
		if a.status != 200 || get(a, "Access-Control-Allow-Origin") != "" {
			t.Errorf("%d %v", a.status, a.header)
		}
		a = askRoute(t, n, routeAsk{path: "/locked", header: map[string]string{"Origin": shopOrigin}})
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
		if a = askRoute(t, n, routeAsk{path: "/nowhere", header: map[string]string{"Origin": appOrigin}}); get(a, "Vary") != "" {
			t.Errorf("%d %v", a.status, a.header)
		}
	})
}
