package access

import (
	"errors"
	"testing"
)

const app = "https://app.example.com"

func newOrigins(t *testing.T, list ...string) *Origins {
	t.Helper()
	o, err := NewOrigins(list)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestACookieNeedsAPermittedOrigin(t *testing.T) {
	o := newOrigins(t, app)
	const own, evil = "https://weft.example.com", "https://evil.example"
	cookie, explicit := Token{"t", FromCookie}, Token{"t", FromHeader}
	for _, c := range []struct {
		name, method string
		ws           bool
		token        Token
		headers      []string
		ok           bool
	}{
		{"GET of another site cannot be read by it", "GET", false, cookie, []string{"Origin", evil, "Sec-Fetch-Site", "cross-site"}, true},
		{"POST of another site", "POST", false, cookie, []string{"Origin", evil, "Sec-Fetch-Site", "cross-site"}, false},
		{"POST of another site, old browser", "POST", false, cookie, []string{"Origin", evil}, false},
		{"PATCH of a sibling site", "PATCH", false, cookie, []string{"Origin", "https://x.example.com", "Sec-Fetch-Site", "same-site"}, false},
		{"POST of a permitted site", "POST", false, cookie, []string{"Origin", app, "Sec-Fetch-Site", "cross-site"}, true},
		{"POST of the own site", "POST", false, cookie, []string{"Origin", own, "Sec-Fetch-Site", "same-origin"}, true},
		{"POST of the own site, old browser", "POST", false, cookie, []string{"Origin", own}, true},
		{"POST of a program", "POST", false, cookie, nil, true},
		{"POST of an opaque origin", "POST", false, cookie, []string{"Origin", "null"}, false},
		{"WebSocket of another site", "GET", true, cookie, []string{"Origin", evil}, false},
		{"WebSocket of another site that says so", "GET", true, cookie, []string{"Origin", evil, "Sec-Fetch-Site", "cross-site"}, false},
		{"WebSocket of a permitted site", "GET", true, cookie, []string{"Origin", app}, true},
		{"WebSocket of the own site", "GET", true, cookie, []string{"Origin", own}, true},
		{"WebSocket without an origin", "GET", true, cookie, nil, false},
		{"WebSocket of an opaque origin", "GET", true, cookie, []string{"Origin", "null"}, false},
		{"WebSocket of a look-alike", "GET", true, cookie, []string{"Origin", app + ".evil.example"}, false},
		{"WebSocket with an explicit token", "GET", true, explicit, []string{"Origin", evil}, true},
		{"POST with an explicit token", "POST", false, explicit, []string{"Origin", evil, "Sec-Fetch-Site", "cross-site"}, true},
		{"WebSocket without a token", "GET", true, Token{}, []string{"Origin", evil}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(own+"/_weft/v1/events", c.headers...)
			r.Method = c.method
			if c.ws {
				r.Header.Set("Upgrade", "WebSocket")
			}
			if err := o.Permit(r, c.token); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrOrigin) {
				t.Errorf("Permit gives %v", err)
			}
			if r.Method != c.method {
				t.Errorf("the request's method became %s", r.Method)
			}
		})
	}
}

func TestWithoutTokensAnotherSitesPageIsRefusedAndAProgramIsNot(t *testing.T) {
	o := newOrigins(t, app)
	for origin, want := range map[string]error{"": nil, app: nil, "http://localhost:4000": nil, "https://evil.example": ErrOrigin, "null": ErrOrigin} {
		r := request("http://localhost:4000/_weft/v1/events?user=ann", "Upgrade", "websocket")
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		if err := o.PermitSite(r); !errors.Is(err, want) {
			t.Errorf("a WebSocket of origin %q gives %v, want %v", origin, err, want)
		}
	}
}

func TestOriginsAreCheckedAsBrowsersWriteThem(t *testing.T) {
	for s, ok := range map[string]bool{
		app: true, "http://localhost:3000": true, "http://[::1]:3000": true, "capacitor://localhost": true,
		"*": false, "null": false, "": false, "app.example.com": false, app + "/": false, app + "/x": false, app + "?q": false,
		"https://App.example.com": false, "https://*.example.com": false, "https://": false, "https://:80": false,
		app + ":443": false, "http://x:80": false, "http://x:443": true, "https://u@x": false, "https://x#f": false, "https://%zz": false,
	} {
		if _, err := NewOrigins([]string{s}); (err == nil) != ok {
			t.Errorf("%q gives %v", s, err)
		}
	}
}

func TestTheAdminListenerAnswersToItsOwnNamesOnly(t *testing.T) {
	h, err := NewHost("admin.internal:4010", []string{"Weft-0.weft"})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]error{
		"localhost": nil, "localhost:4010": nil, "LOCALHOST.:4010": nil, "127.0.0.1:4010": nil, "[::1]:4010": nil, "[::1]": nil, "10.1.2.3": nil,
		"admin.internal:4010": nil, "weft-0.weft:80": nil,
		"evil.example:4010": ErrHost, "localhost.evil.example": ErrHost, "127.0.0.1.nip.io": ErrHost, "": ErrHost, "evil": ErrHost, "0x7f.1": ErrHost,
	} {
		r := request("/healthz")
		r.Host = host
		if err := h.Check(r); !errors.Is(err, want) {
			t.Errorf("host %q gives %v, want %v", host, err, want)
		}
	}
	r := request("http://localhost:4010/_weft/v1/drain", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
	if err := h.Check(r); err != nil {
		t.Errorf("a GET across sites gives %v", err)
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		r.Method = method
		if err := h.Check(r); !errors.Is(err, ErrOrigin) {
			t.Errorf("a %s across sites gives %v", method, err)
		}
	}
}

func TestBadNamesOfAListenerAreRefused(t *testing.T) {
	for _, name := range []string{"", "http://x", "x:1", "*.x", "a b", "u@x"} {
		if _, err := NewHost("127.0.0.1:4010", []string{name}); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
	if _, err := NewHost("nonsense", nil); err == nil {
		t.Error("a bad listen address is taken")
	}
}
