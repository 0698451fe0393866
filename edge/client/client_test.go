package client

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// limit is what a browser is to load at most, in bytes: what the README promises.
const limit = 4096

func TestEachModuleIsAFewKilobytes(t *testing.T) {
	for _, m := range Modules() {
		if n := m.text.Size(); n > limit || n < 100 {
			t.Errorf("%s has %d bytes, want at most %d", m.Name, n, limit)
		}
	}
}

// By these a browser lets a page have the module, and keeps it; also of an answer that says only
// that it has not changed.
func TestABrowserMayHaveTheModuleAndKeepIt(t *testing.T) {
	module, tag := Modules()[0], ""
	for _, status := range []int{http.StatusOK, http.StatusNotModified} {
		r := httptest.NewRequest(http.MethodGet, "/_weft/v1/client.js", nil)
		r.Header.Set("If-None-Match", tag)
		w := httptest.NewRecorder()
		module.ServeHTTP(w, r)
		h := w.Header()
		tag = h.Get("ETag")
		if w.Code != status || tag == "" {
			t.Fatalf("it is answered %d %v, want %d", w.Code, h, status)
		}
		for name, want := range map[string]string{
			"Cache-Control": "public, max-age=3600", "Vary": "Accept-Encoding",
			"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%d: %s is %q, want %q", status, name, got, want)
			}
		}
	}
}
