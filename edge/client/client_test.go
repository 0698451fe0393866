package client

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
)

// limit is what a browser is to load at most, in bytes: what the README promises.
const limit = 4096

// ask sends a request to the module; header is of names and values.
func ask(t *testing.T, method string, header ...string) (*http.Response, []byte) {
	t.Helper()
	r := httptest.NewRequest(method, "/_weft/v1/client.js", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	New().ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), body
}

func TestTheModuleIsAFewKilobytes(t *testing.T) {
	resp, body := ask(t, http.MethodGet, "Accept-Encoding", "gzip")
	if len(body) > limit || resp.Header.Get("Content-Length") != strconv.Itoa(len(body)) {
		t.Errorf("it has %d bytes (Content-Length %s), want at most %d", len(body), resp.Header.Get("Content-Length"), limit)
	}
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(r); err != nil || !bytes.Equal(plain, module) {
		t.Errorf("unpacked it is something else (%v)", err)
	}
}

func TestWhatIsLoadedBesideItIsAFewKilobytesToo(t *testing.T) {
	for _, m := range []*Module{NewTabs(), NewMore()} {
		if n := len(m.zipped.body); n > limit {
			t.Errorf("it has %d bytes, want at most %d", n, limit)
		}
	}
}

func TestWhoTakesNoGzipGetsTheModuleAsItIs(t *testing.T) {
	for accept, zipped := range map[string]bool{
		"": false, "identity": false, "br, zstd": false, "gzip;q=0": false, "gzip; q=0.000, *": false, "gzip;q=nonsense": false, "*;q=0": false,
		"gzip": true, "br, gzip": true, "GZIP;q=0.5": true, "*": true, "identity;q=0.1,*;q=1": true,
	} {
		resp, body := ask(t, http.MethodGet, "Accept-Encoding", accept)
		if coding := resp.Header.Get("Content-Encoding"); (coding == "gzip") != zipped || zipped == bytes.Equal(body, module) {
			t.Errorf("Accept-Encoding: %s is answered in coding %q", accept, coding)
		}
	}
}

func TestWhoHasTheModuleIsToldSo(t *testing.T) {
	resp, _ := ask(t, http.MethodGet)
	zipped, _ := ask(t, http.MethodGet, "Accept-Encoding", "gzip")
	tag := resp.Header.Get("ETag")
	if tag == "" || tag == zipped.Header.Get("ETag") {
		t.Fatalf("tags are %s and %s", tag, zipped.Header.Get("ETag"))
	}
	for _, value := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
		resp, body := ask(t, http.MethodGet, "If-None-Match", value)
		h := resp.Header
		if resp.StatusCode != http.StatusNotModified || len(body) > 0 || h.Get("Content-Length") != "" {
			t.Errorf("If-None-Match: %s is answered %d with %d bytes", value, resp.StatusCode, len(body))
		}
		// Those that a cache takes over, and those by which a browser lets a page have it.
		for _, name := range []string{"Cache-Control", "ETag", "Vary", "Access-Control-Allow-Origin", "Cross-Origin-Resource-Policy"} {
			if h.Get(name) == "" {
				t.Errorf("If-None-Match: %s is answered without %s", value, name)
			}
		}
	}
	for _, value := range []string{"", `"other"`, tag[:len(tag)-1], zipped.Header.Get("ETag")} {
		if resp, body := ask(t, http.MethodGet, "If-None-Match", value); resp.StatusCode != http.StatusOK || len(body) == 0 {
			t.Errorf("If-None-Match: %s is answered %d with %d bytes", value, resp.StatusCode, len(body))
		}
	}
}

func TestHEADIsGETWithoutTheModule(t *testing.T) {
	get, _ := ask(t, http.MethodGet)
	head, body := ask(t, http.MethodHead)
	if len(body) > 0 || head.StatusCode != http.StatusOK {
		t.Errorf("%d with %d bytes", head.StatusCode, len(body))
	}
	for name := range get.Header {
		if got, want := head.Header.Get(name), get.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if resp, _ := ask(t, http.MethodPost); resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD" || resp.Header.Get("ETag") != "" {
		t.Errorf("POST is answered %d, %v", resp.StatusCode, resp.Header)
	}
}
