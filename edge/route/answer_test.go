package route_test

import (
	"bytes"
	"errors"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"weft/edge/route"
)

// headers yields names and values by turns.
func headers(list ...string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := 0; i+1 < len(list); i += 2 {
			if !yield(list[i], list[i+1]) {
				return
			}
		}
	}
}

func TestAnAnswerIsMadeOfItsHeadersInAnyCase(t *testing.T) {
	a, err := route.ReadAnswer(headers("WEFT-Status", "201", "Content-Type", "text/plain; charset=utf-8", "weft-HEADER-location", "/orders/7",
		"Weft-Header-Set-Cookie", "a=1", "weft-header-set-cookie", "b=2", "x-other", "1", "weft-header-x-utf8", "gr\xc3\xbc\xc3\x9fe"), []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	want := http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "Location": {"/orders/7"}, "Set-Cookie": {"a=1", "b=2"}, "X-Utf8": {"gr\xc3\xbc\xc3\x9fe"}}
	if a.Status != 201 || string(a.Body) != `{"a":1}` || !maps.EqualFunc(a.Header, want, slices.Equal) {
		t.Errorf("%+v", a)
	}
}

func TestWhatAnAnswerDoesNotSayHasADefault(t *testing.T) {
	for body, contentType := range map[string]string{
		`{"a":1}`: "application/json", ` 7 `: "application/json", `"x"`: "application/json",
		"": "application/octet-stream", "plain": "application/octet-stream", `{"a":`: "application/octet-stream", "\"\xff\"": "application/octet-stream",
	} {
		a, err := route.ReadAnswer(headers(), []byte(body))
		if err != nil || a.Status != 200 || a.Header.Get("Content-Type") != contentType || string(a.Body) != body {
			t.Errorf("%q: %+v, %v", body, a, err)
		}
	}
	if a, err := route.ReadAnswer(headers("content-type", " "), []byte("1")); err != nil || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("an empty type: %+v, %v", a, err)
	}
}

func TestAStatusIsOneFrom200To599(t *testing.T) {
	for _, status := range []string{"200", "599", " 404 "} {
		if a, err := route.ReadAnswer(headers("weft-status", status), nil); err != nil || a.Status < 200 || a.Status > 599 {
			t.Errorf("%q: %+v, %v", status, a, err)
		}
	}
	for _, status := range []string{"", "0", "101", "199", "600", "+20", "-20", "2e2", "0200", "200 OK", "two", "٢٠٠"} {
		if a, err := route.ReadAnswer(headers("Weft-Status", status), nil); !errors.Is(err, route.ErrStatus) {
			t.Errorf("%q: %+v, %v", status, a, err)
		}
	}
	if _, err := route.ReadAnswer(headers("weft-status", "200", "Weft-Status", "404"), nil); !errors.Is(err, route.ErrStatus) {
		t.Errorf("two of them: %v", err)
	}
}

func TestHeadersThatAreNotAnAnswersToSetAreLeftOut(t *testing.T) {
	list := []string{"weft-header-", "x", "weft-header-a b", "x", "weft-header-x\r\ny", "z", "weft-header-x-cr", "a\r\nSet-Cookie: b", "weft-header-x-nul", "\x00",
		"weft-header-x-del", "\x7f", "weft-header-ü", "x", "weft-header-content-type", "text/html"}
	for _, name := range []string{"Connection", "content-length", "Expect", "HOST", "Keep-Alive", "Proxy-Authenticate", "proxy-x", "TE", "Trailer", "Transfer-Encoding",
		"Upgrade", "Sec-WebSocket-Accept", "Weft-User", "weft-status"} {
		list = append(list, "weft-header-"+name, "x")
	}
	a, err := route.ReadAnswer(headers(append([]string{"content-type", "text/plain"}, list...)...), nil)
	if err != nil || len(a.Header) != 1 || a.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestAnAnswerIsBounded(t *testing.T) {
	if _, err := route.ReadAnswer(headers(), make([]byte, route.MaxAnswer)); err != nil {
		t.Errorf("1 MiB: %v", err)
	}
	if _, err := route.ReadAnswer(headers(), make([]byte, route.MaxAnswer+1)); !errors.Is(err, route.ErrAnswerSize) {
		t.Errorf("a byte more: %v", err)
	}
	if _, err := route.ReadAnswer(headers("weft-header-x", strings.Repeat("x", route.MaxAnswerHeader)), nil); !errors.Is(err, route.ErrAnswerSize) {
		t.Errorf("long headers: %v", err)
	}
}

// FuzzAnswer lets a back end say anything: what is taken can be written as a response.
func FuzzAnswer(f *testing.F) {
	f.Add("weft-status", "201", "weft-header-location", "/x", []byte(`{}`))
	f.Add("content-type", "text/plain\r\nx: y", "weft-header-Connection", "close", []byte("x"))
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2 string, body []byte) {
		a, err := route.ReadAnswer(headers(n1, v1, n2, v2), body)
		if err != nil {
			return
		}
		if a.Status < 200 || a.Status > 599 || !bytes.Equal(a.Body, body) || a.Header.Get("Content-Type") == "" {
			t.Fatalf("%+v", a)
		}
		var out bytes.Buffer
		if err := a.Header.Write(&out); err != nil {
			t.Fatal(err)
		}
		lines := 0
		for name, values := range a.Header {
			if http.CanonicalHeaderKey(name) != name || route.RefusedHeader(name) {
				t.Fatalf("%q", name)
			}
			lines += len(values)
		}
		if bytes.Count(out.Bytes(), []byte("\n")) != lines {
			t.Fatalf("%q", out.Bytes())
		}
	})
}
