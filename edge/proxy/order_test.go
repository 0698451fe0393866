package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"weft/edge/problem"
)

// Each request has all that its protection could refuse from one point on, and is refused
// for the first.
func TestProtectionRefusesInItsOrder(t *testing.T) {
	reached := 0
	s := newStandTo(t, false, roundTripper(func(*http.Request) (*http.Response, error) {
		reached++
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
	}), map[string]any{
		"open": open,
		"token": map[string]any{"pattern": "POST /token", "target": "http://back", "body_limit": "10B", "cors": []string{"https://shop.example"},
			"auth": map[string]any{"require": map[string]any{"/role": []string{"buyer"}}}, "rate": map[string]any{"per": "user", "limit": "1/h", "burst": 1}},
	})
	good := s.token(t, "ann", map[string]any{"role": "buyer", "jti": "good"})
	poor := s.token(t, "ann", map[string]any{"jti": "poor"})
	lost := s.token(t, "ann", map[string]any{"jti": "lost"})
	s.revoked["lost"] = true
	s.ready = problem.New(problem.NotReady, "not yet")
	ask := func(path, cookie, origin string, size int) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(strings.Repeat("x", size)))
		if cookie != "" {
			r.Header.Set("Cookie", "weft_token="+cookie)
		}
		r.Header.Set("Origin", origin)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	preflight := func() int {
		r := httptest.NewRequest(http.MethodOptions, "/token", nil)
		r.Header.Set("Origin", "https://shop.example")
		r.Header.Set("Access-Control-Request-Method", "POST")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Code
	}
	const shop, evil = "https://shop.example", "https://evil.example"
	expect := func(what string, w *httptest.ResponseRecorder, status int, code problem.Code) {
		t.Helper()
		if w.Code != status || code != "" && !strings.Contains(w.Body.String(), `"code":"`+string(code)+`"`) {
			t.Errorf("%s: %d %s, want %d %s", what, w.Code, w.Body, status, code)
		}
	}
	expect("path", ask("/token/../x", "", evil, 11), 400, problem.BadRequest)
	expect("match", ask("/nowhere", "", evil, 11), 404, problem.NotFound)
	s.unloaded = true
	expect("path before there is a table", ask("/token/../x", "", evil, 11), 400, problem.BadRequest)
	expect("no table, which is not a route that is not there", ask("/nowhere", "", evil, 1), 503, problem.NotReady)
	expect("no table, mode none", ask("/open/x", "", evil, 1), 503, problem.NotReady)
	if code := preflight(); code != 503 {
		t.Errorf("a preflight to a node without a table is answered %d", code)
	}
	s.unloaded = false
	if code := preflight(); code != 204 {
		t.Errorf("a preflight to a node that is not ready is answered %d", code)
	}
	expect("mode none needs no node that is ready", ask("/open/x", "", evil, 1), 200, "")
	expect("readiness", ask("/token", "bad", evil, 11), 503, problem.NotReady)
	s.ready = nil
	expect("origin", ask("/token", "bad", evil, 11), 403, problem.Forbidden)
	expect("no token", ask("/token", "", shop, 11), 401, problem.TokenMissing)
	expect("token", ask("/token", "bad", shop, 11), 401, problem.TokenInvalid)
	expect("blacklist", ask("/token", lost, shop, 11), 403, problem.TokenRevoked)
	expect("require", ask("/token", poor, shop, 11), 403, problem.Forbidden)
	reached = 0
	expect("declared length", ask("/token", good, shop, 11), 413, problem.TooLarge)
	expect("rate, which the length comes after", ask("/token", good, shop, 11), 429, problem.Limit)
	if reached != 0 {
		t.Errorf("%d requests have reached the target", reached)
	}
	if s.Running() != 0 {
		t.Errorf("%d run", s.Running())
	}
}
