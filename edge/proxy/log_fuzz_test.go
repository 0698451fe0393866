package proxy

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"weft/edge/route"
)

func FuzzShownPath(f *testing.F) {
	for _, seed := range []string{"a=1&b=2", "=secret", "a", "&&a==b&", "%3D=1", strings.Repeat("a=b&", 10_000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "/path", nil)
		r.URL.RawQuery = query
		shown := shownPath(&route.Call{Request: r})
		if !strings.HasPrefix(shown, "/path") || len(shown) > longest || strings.Contains(shown, "=") {
			t.Errorf("%q is shown as %q", query, shown)
		}
	})
}

func TestARequestIDIsATrustedProxysOrRandom(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Request-Id", "theirs")
	if id := requestID(r, true); id != "theirs" {
		t.Errorf("a trusted proxy's is %q", id)
	}
	one, two := requestID(r, false), requestID(r, false)
	if len(one) != 22 || one == two {
		t.Errorf("ours are %q and %q", one, two)
	}
	for _, bad := range []string{"", "a b", "a\tb", "ä", strings.Repeat("x", 201)} {
		r.Header.Set("X-Request-Id", bad)
		if id := requestID(r, true); len(id) != 22 {
			t.Errorf("%q is taken: %q", bad, id)
		}
	}
}
