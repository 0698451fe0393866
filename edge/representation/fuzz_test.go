package representation

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzAnswer: whatever a request says, it is answered with the text, or that it has not changed to
// who names its tag, and by gzip only to who names that or all.
func FuzzAnswer(f *testing.F) {
	rep := New("text/plain", text)
	f.Add("GET", "gzip;q=0, *", `W/"x", `+rep.plain.tag)
	f.Add("HEAD", "*;q=1e999", "*")
	f.Add("GET", ";=;,gzip ; q = 0x1p-2", `"`+rep.zipped.tag)
	f.Fuzz(func(t *testing.T, method, accept, match string) {
		w := httptest.NewRecorder()
		rep.Answer(w, &http.Request{Method: method, Header: http.Header{"Accept-Encoding": {accept}, "If-None-Match": {match}}})
		v := rep.plain
		if w.Header().Get("ETag") == rep.zipped.tag {
			v = rep.zipped
		}
		switch length := w.Body.Len(); {
		case w.Header().Get("ETag") != v.tag:
			t.Errorf("the tag is %q", w.Header().Get("ETag"))
		case v.coding != "" && !strings.Contains(strings.ToLower(accept), "gzip") && !strings.Contains(accept, "*"):
			t.Errorf("Accept-Encoding: %q is answered by gzip", accept)
		case w.Code == http.StatusNotModified && (length != 0 || !strings.Contains(match, v.tag) && !strings.Contains(match, "*")):
			t.Errorf("If-None-Match: %q is answered with %d bytes and 304", match, length)
		case w.Code == http.StatusOK && (method == http.MethodHead) != (length == 0), w.Code == http.StatusOK && w.Header().Get("Content-Encoding") != v.coding:
			t.Errorf("%s is answered with %d bytes, %v", method, length, w.Header())
		}
	})
}
