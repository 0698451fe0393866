package pattern_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"weft/edge/route/pattern"
)

// serveMux is what net/http.ServeMux says of a request: a pattern's text, with the values
// of its placeholders, or "" and a status. ok is false when it does not take the patterns,
// or redirects.
func serveMux(patterns []*pattern.Pattern, r *http.Request) (served string, values []string, status int, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	var mux http.ServeMux
	for _, p := range patterns {
		mux.HandleFunc(p.String(), func(_ http.ResponseWriter, r *http.Request) {
			served = p.String()
			for _, n := range p.Names() {
				values = append(values, r.PathValue(n))
			}
		})
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return served, values, w.Code, w.Code != http.StatusTemporaryRedirect
}

// againstServeMux compares, and reports whether there was something to compare.
func againstServeMux(t testing.TB, patterns []*pattern.Pattern, method, host, sent string) bool {
	t.Helper()
	p, err := pattern.ParsePath(sent)
	if err != nil {
		return false
	}
	u, err := url.ParseRequestURI(sent)
	if err != nil || u.EscapedPath() != sent {
		return false
	}
	// To ServeMux a segment that is %2F is the end, {$}.
	for s := range strings.SplitSeq(sent+"/"+patterns[0].Key()+"/"+patterns[len(patterns)-1].Key(), "/") {
		if strings.EqualFold(s, "%2f") {
			return false
		}
	}
	served, values, status, ok := serveMux(patterns, &http.Request{Method: method, Host: host, URL: u})
	if !ok {
		return false
	}
	var entries []pattern.Entry[*pattern.Pattern]
	for _, p := range patterns {
		entries = append(entries, pattern.Entry[*pattern.Pattern]{Pattern: p, Value: p})
	}
	x := pattern.NewIndex(entries)
	found, raw, ok := x.Match(method, host, p)
	if !ok {
		if served != "" {
			t.Fatalf("%q: %s %s%s is served by %q with ServeMux, by none here", patterns, method, host, sent, served)
		}
		// ServeMux counts the methods of the path with a slash, too.
		if methods, _ := x.Methods(host, p); strings.HasSuffix(sent, "/") && (len(methods) > 0) != (status == http.StatusMethodNotAllowed) {
			t.Fatalf("%q: %s %s%s is %d with ServeMux, methods are %q here", patterns, method, host, sent, status, methods)
		}
		return true
	}
	var decoded []string
	for _, v := range raw {
		d, err := url.PathUnescape(v)
		if err != nil {
			t.Fatal(err)
		}
		decoded = append(decoded, d)
	}
	if found.String() != served || !slices.Equal(decoded, values) {
		t.Fatalf("%q: %s %s%s is served by %q %q with ServeMux, by %q %q here", patterns, method, host, sent, served, values, found, decoded)
	}
	return true
}

func TestServeMuxChoosesTheSameWhereItAccepts(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	compared := 0
	for range 6_000 {
		a, b := parse(t, randomPattern(r)), parse(t, randomPattern(r))
		for range 3 {
			if againstServeMux(t, []*pattern.Pattern{a, b}, pick(r, methods[2:]), pick(r, []string{"h", "i", "h:80", "k"}), randomPath(r)) {
				compared++
			}
		}
	}
	if compared < 4_000 {
		t.Errorf("only %d of 18000 requests were compared", compared)
	}
}

func FuzzAgainstServeMux(f *testing.F) {
	f.Add("GET /{rest...}", "/api/{rest...}", "GET", "h", "/api/a")
	f.Add("/a/{$}", "/a/{x}", "HEAD", "h:443", "/a/")
	f.Add("h/a%20b", "/a%20%62/{x}", "POST", "h", "/a%20b/c")
	r := rand.New(rand.NewPCG(7, 8))
	for range 50 {
		f.Add(randomPattern(r), randomPattern(r), pick(r, methods[2:]), pick(r, hosts), randomPath(r))
	}
	f.Fuzz(func(t *testing.T, a, b, method, host, sent string) {
		p, err := pattern.Parse(a)
		if err != nil {
			return
		}
		q, err := pattern.Parse(b)
		if err != nil {
			return
		}
		if method == "" || method == http.MethodConnect || !slices.Contains([]string{p.Host(), q.Host(), "h", "h:443"}, host) {
			return
		}
		againstServeMux(t, []*pattern.Pattern{p, q}, method, host, sent)
	})
}

// FuzzParse holds that a pattern that is read is spelt by its key as it is meant: read
// again with names put in, it is the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"GET h/a%2Fb/{x}/{y...}", "/a%20%62/", "[::1]/{$}", "/%7Bx%7D", "/..%2f", "get /", "/_weft"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := pattern.Parse(text)
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
				t.Fatalf("%q: the error has a control character: %q", text, err)
			}
			return
		}
		parts := strings.Split(p.Key(), "/")
		for i, s := range parts {
			switch s {
			case "{}":
				parts[i] = fmt.Sprintf("{v%d}", i)
			case "{...}":
				parts[i] = "{rest...}"
			}
		}
		again := strings.Join(parts, "/")
		if len(again) > pattern.MaxBytes {
			return
		}
		q, err := pattern.Parse(again)
		if err != nil || q.Key() != p.Key() || pattern.Compare(p, q) != 0 {
			t.Fatalf("%q is %q, read again: %v", text, again, err)
		}
		sent := strings.NewReplacer("{}", "x", "{...}", "y/z", "{$}", "").Replace(again[strings.Index(again, "/"):])
		for i := range parts {
			sent = strings.Replace(sent, fmt.Sprintf("{v%d}", i), "x", 1)
		}
		sent = strings.Replace(sent, "{rest...}", "y/z", 1)
		path, err := pattern.ParsePath(sent)
		if err != nil {
			if strings.HasPrefix(sent, `/\`) {
				return
			}
			t.Fatalf("%q: no request reaches it: %q: %v", text, sent, err)
		}
		x := pattern.NewIndex([]pattern.Entry[int]{{Pattern: p, Value: 1}})
		method := p.Method()
		if method == "" {
			method = "GET"
		}
		if _, values, ok := x.Match(method, p.Host(), path); !ok || len(values) != len(p.Names()) {
			t.Fatalf("%q does not take %q: %q", text, sent, values)
		}
	})
}

// FuzzParsePath holds that no path that is taken has, decoded once, what leads out of it.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"/", "/a/%2e%2e", "/..;/", "/a%5c..%5c", "//evil", "/a%00", "/%zz", "/a/b/c%20d"} {
		f.Add(s)
	}
	x := index(f, "/{rest...}")
	f.Fuzz(func(t *testing.T, sent string) {
		p, err := pattern.ParsePath(sent)
		if err != nil {
			return
		}
		decoded, err := url.PathUnescape(sent)
		if err != nil {
			t.Fatalf("%q: %v", sent, err)
		}
		for part := range strings.FieldsFuncSeq(decoded, func(r rune) bool { return strings.ContainsRune(`/\;`, r) }) {
			if part == "." || part == ".." {
				t.Fatalf("%q has %q", sent, part)
			}
		}
		if strings.ContainsFunc(decoded, func(r rune) bool { return r < ' ' || r == 0x7F }) || strings.Contains(sent, "#") {
			t.Fatalf("%q has a control character or a fragment", sent)
		}
		if _, values, ok := x.Match("GET", "", p); !ok || "/"+values[0] != sent {
			t.Fatalf("%q became %q", sent, values)
		}
	})
}
