package access

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func newCORS(t *testing.T, list ...string) *CORS {
	return &CORS{Origins: newOrigins(t, list...), Methods: "GET, POST, PATCH", Header: EventHeader}
}

func TestOnlyAPermittedOriginGetsCORSHeaders(t *testing.T) {
	c := newCORS(t, app)
	for origin, want := range map[string]string{app: app, "https://evil.example": "", "": "", "HTTPS://APP.example.com": ""} {
		h := http.Header{}
		r := request("/", "Origin", origin)
		c.SetHeaders(h, r)
		c.SetHeaders(h, r)
		if got := h.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%q: allowed origin is %q", origin, got)
		}
		if (h.Get("Access-Control-Allow-Credentials") == "true") != (want != "") {
			t.Errorf("%q: credentials: %q", origin, h.Get("Access-Control-Allow-Credentials"))
		}
		if v := h.Values("Vary"); len(v) != 1 || v[0] != "Origin" {
			t.Errorf("%q: Vary is %q", origin, v)
		}
	}
}

func TestPreflight(t *testing.T) {
	c := newCORS(t, app)
	preflight := func(origin, headers string) *httptest.ResponseRecorder {
		r := request("/_weft/v1/events", "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", headers)
		r.Method = http.MethodOptions
		w := httptest.NewRecorder()
		if !IsPreflight(r) {
			t.Error("a preflight is not taken for one")
		}
		c.Preflight(w, r)
		return w
	}
	w := preflight(app, "authorization,Content-Type, last-event-id,idempotency-key,ce-id,ce-Type,ce-,ce-a_b,x-other,cookie")
	if w.Code != http.StatusNoContent {
		t.Errorf("status is %d", w.Code)
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin":      app,
		"Access-Control-Allow-Credentials": "true",
		"Access-Control-Allow-Methods":     "GET, POST, PATCH",
		"Access-Control-Allow-Headers":     "authorization, content-type, last-event-id, idempotency-key, ce-id, ce-type",
		"Access-Control-Max-Age":           "7200",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if w = preflight("https://evil.example", "authorization"); w.Code != http.StatusForbidden || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin gets %d, %v", w.Code, w.Header())
	}
	for _, r := range []*http.Request{
		request("/", "Origin", app, "Access-Control-Request-Method", "POST"),
		httptest.NewRequest(http.MethodOptions, "/", nil),
	} {
		if IsPreflight(r) {
			t.Errorf("%s %v is taken for a preflight", r.Method, r.Header)
		}
	}
}

// Two paths of one listener have origins, methods and request headers of their own.
func TestEachPathHasItsOwnCORS(t *testing.T) {
	served := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) })
	own := newCORS(t, app).Protect(served)
	other := (&CORS{Origins: newOrigins(t, "https://shop.example"), Methods: "DELETE", Header: func(string) bool { return true }}).Protect(served)
	for _, c := range []struct {
		h                       http.Handler
		origin, method          string
		status                  int
		allowed, methods, heads string
	}{
		{own, app, "GET", 418, app, "", ""},
		{own, "https://shop.example", "GET", 418, "", "", ""},
		{other, "https://shop.example", "GET", 418, "https://shop.example", "", ""},
		{other, app, "GET", 418, "", "", ""},
		{own, app, "OPTIONS", 204, app, "GET, POST, PATCH", ""},
		{other, "https://shop.example", "OPTIONS", 204, "https://shop.example", "DELETE", "x-cart"},
		{other, app, "OPTIONS", 403, "", "", ""},
	} {
		r := request("/", "Origin", c.origin, "Access-Control-Request-Method", "DELETE", "Access-Control-Request-Headers", "X-Cart")
		r.Method = c.method
		w := httptest.NewRecorder()
		c.h.ServeHTTP(w, r)
		h := w.Header()
		if w.Code != c.status || h.Get("Access-Control-Allow-Origin") != c.allowed ||
			h.Get("Access-Control-Allow-Methods") != c.methods || h.Get("Access-Control-Allow-Headers") != c.heads {
			t.Errorf("%s of %s: %d %v", c.method, c.origin, w.Code, h)
		}
	}
}
