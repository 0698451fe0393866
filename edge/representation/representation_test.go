package representation

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

var text = []byte(strings.Repeat("all the same ", 40))

// ask sends a request; header is of names and values.
func ask(t *testing.T, method string, header ...string) (*http.Response, []byte) {
	t.Helper()
	r := httptest.NewRequest(method, "/", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	New("text/plain", text).Answer(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), body
}

func TestWhoTakesNoGzipGetsTheTextAsItIs(t *testing.T) {
	for accept, zipped := range map[string]bool{
		"": false, "identity": false, "br, zstd": false, "gzip;q=0": false, "gzip; q=0.000, *": false, "gzip;q=nonsense": false, "*;q=0": false,
		"gzip": true, "br, gzip": true, "GZIP;q=0.5": true, "*": true, "identity;q=0.1,*;q=1": true,
	} {
		resp, body := ask(t, http.MethodGet, "Accept-Encoding", accept)
		if coding := resp.Header.Get("Content-Encoding"); (coding == "gzip") != zipped || zipped == bytes.Equal(body, text) {
			t.Errorf("Accept-Encoding: %s is answered in coding %q", accept, coding)
		}
	}
	if resp, _ := ask(t, http.MethodGet, "Accept-Encoding", "br", "Accept-Encoding", "gzip"); resp.Header.Get("Content-Encoding") != "gzip" {
		t.Error("only the first line of a header is read")
	}
}

func TestUnpackedItIsTheText(t *testing.T) {
	_, body := ask(t, http.MethodGet, "Accept-Encoding", "gzip")
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(r); err != nil || !bytes.Equal(plain, text) {
		t.Errorf("it is %q (%v)", plain, err)
	}
}

func TestWhoHasTheTextIsToldSo(t *testing.T) {
	resp, _ := ask(t, http.MethodGet)
	zipped, _ := ask(t, http.MethodGet, "Accept-Encoding", "gzip")
	tag := resp.Header.Get("ETag")
	if tag == "" || tag == zipped.Header.Get("ETag") {
		t.Fatalf("tags are %s and %s", tag, zipped.Header.Get("ETag"))
	}
	for _, value := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
		resp, body := ask(t, http.MethodGet, "If-None-Match", value)
		h := resp.Header
		if resp.StatusCode != http.StatusNotModified || len(body) > 0 || h.Get("Content-Length") != "" || h.Get("Content-Encoding") != "" {
			t.Errorf("If-None-Match: %s is answered %d %v with %d bytes", value, resp.StatusCode, h, len(body))
		}
		if h.Get("ETag") != tag || h.Get("Vary") == "" { // which a cache takes over
			t.Errorf("If-None-Match: %s is answered %v", value, h)
		}
	}
	for _, value := range []string{"", `"other"`, tag[:len(tag)-1], zipped.Header.Get("ETag")} {
		if resp, body := ask(t, http.MethodGet, "If-None-Match", value); resp.StatusCode != http.StatusOK || len(body) == 0 {
			t.Errorf("If-None-Match: %s is answered %d with %d bytes", value, resp.StatusCode, len(body))
		}
	}
}

func TestHEADIsGETWithoutTheText(t *testing.T) {
	for _, coding := range []string{"", "gzip"} {
		get, _ := ask(t, http.MethodGet, "Accept-Encoding", coding)
		head, body := ask(t, http.MethodHead, "Accept-Encoding", coding)
		if len(body) > 0 || head.StatusCode != http.StatusOK || head.Header.Get("Content-Length") == "" {
			t.Errorf("%d %v with %d bytes", head.StatusCode, head.Header, len(body))
		}
		for name := range get.Header {
			if got, want := head.Header.Get(name), get.Header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	}
}
