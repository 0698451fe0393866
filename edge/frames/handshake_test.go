package frames

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// anyHandshake tells what is wrong in its answer.
var anyHandshake = NewHandshake([]string{"p1", "p2"}, func(w http.ResponseWriter, status int, detail string) {
	http.Error(w, detail, status)
})

func asking(change func(r *http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
	change(r)
	return r
}

func TestAHandshakeIsAnsweredWithoutItsConnection(t *testing.T) {
	w := httptest.NewRecorder() // which has no connection
	r := asking(func(r *http.Request) { r.Header.Set("Sec-Websocket-Protocol", "p0, p2") })
	head, err := anyHandshake.Answer(w, r)
	if err != nil || !Asked(r) {
		t.Fatal(err)
	}
	for _, want := range []string{"HTTP/1.1 101 ", "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", "\r\nSec-WebSocket-Protocol: p2\r\n", "\r\n\r\n"} {
		if !strings.Contains(string(head), want) {
			t.Errorf("answered %q, want %q", head, want)
		}
	}
	if w.Body.Len() > 0 {
		t.Errorf("and said %q", w.Body)
	}
}

func TestWhatIsNoHandshakeIsToldSo(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *http.Request)
		status int
	}{
		"a body":          {func(r *http.Request) { r.ContentLength = 1 }, http.StatusBadRequest},
		"an unknown body": {func(r *http.Request) { r.ContentLength = -1 }, http.StatusBadRequest},
		"no key":          {func(r *http.Request) { r.Header.Del("Sec-Websocket-Key") }, http.StatusBadRequest},
		"another version": {func(r *http.Request) { r.Header.Set("Sec-Websocket-Version", "8") }, http.StatusUpgradeRequired},
	} {
		w := httptest.NewRecorder()
		if head, err := anyHandshake.Answer(w, asking(c.change)); err == nil || w.Code != c.status {
			t.Errorf("%s: %d %s, %q", name, w.Code, w.Body, head)
		}
		if told := w.Header().Get("Sec-Websocket-Version"); (told == "13") != (c.status == http.StatusUpgradeRequired) {
			t.Errorf("%s: told version %q", name, told)
		}
	}
}
