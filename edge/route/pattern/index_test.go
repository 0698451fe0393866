package pattern_test

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"weft/edge/route/pattern"
)

// index makes an index in which each pattern finds its own text.
func index(t testing.TB, texts ...string) *pattern.Index[string] {
	t.Helper()
	var entries []pattern.Entry[string]
	for _, text := range texts {
		entries = append(entries, pattern.Entry[string]{Pattern: parse(t, text), Value: text})
	}
	return pattern.NewIndex(entries)
}

func path(t testing.TB, sent string) *pattern.Path {
	t.Helper()
	p, err := pattern.ParsePath(sent)
	if err != nil {
		t.Fatalf("path %q: %v", sent, err)
	}
	return p
}

func TestTheMostExactRouteServes(t *testing.T) {
	x := index(t,
		"/", "GET /{rest...}", "/api/{rest...}", "/api/{x}/b", "/api/{$}", "POST /api/v1/orders", "GET /api/v1/{x}", "/api/v1/",
		"HEAD /head", "GET /head", "/dir/", "/file", "/{lang}/file", "/a%2Fb/{x}", "shop.example.com/", "POST shop.example.com/buy", "[::1]/six", "kelvin/")
	for _, c := range []struct{ method, host, path, want, values string }{
		{"GET", "", "/", "GET /{rest...}", "|"},
		{"POST", "", "/", "/", ""},
		{"GET", "", "/a//b", "GET /{rest...}", "a//b"},
		{"GET", "", "/api", "GET /{rest...}", "api"},
		{"GET", "", "/api/", "/api/{$}", ""},
		{"GET", "", "/api//", "/api/{rest...}", "/"},
		{"GET", "", "/api/a/b", "/api/{x}/b", "a"},
		{"GET", "", "/api/a/b/", "/api/{rest...}", "a/b/"},
		{"GET", "", "/api//b", "/api/{rest...}", "/b"},
		{"POST", "", "/api/v1/orders", "POST /api/v1/orders", ""},
		{"GET", "", "/api/v1/orders", "GET /api/v1/{x}", "orders"},
		{"HEAD", "", "/api/v1/orders", "GET /api/v1/{x}", "orders"},
		{"PUT", "", "/api/v1/orders", "/api/v1/", ""},
		{"GET", "", "/api/v1/b", "GET /api/v1/{x}", "b"},
		{"PUT", "", "/api/v1", "/api/{rest...}", "v1"},
		{"GET", "", "/api/V1/", "/api/{rest...}", "V1/"},
		{"HEAD", "", "/head", "HEAD /head", ""},
		{"GET", "", "/head", "GET /head", ""},
		{"POST", "", "/dir", "/", ""},
		{"POST", "", "/dir/", "/dir/", ""},
		{"POST", "", "/file", "/file", ""},
		{"POST", "", "/file/", "/", ""},
		{"POST", "", "/f%69le", "/file", ""},
		{"POST", "", "/%65n/file", "/{lang}/file", "%65n"},
		{"POST", "", "//file", "", ""},
		{"POST", "", "/a%2fb/%2F", "/a%2Fb/{x}", "%2F"},
		{"POST", "", "/a/b/c", "/", ""},
		{"GET", "shop.example.com", "/a", "shop.example.com/", ""},
		{"GET", "SHOP.Example.com:8443", "/a", "shop.example.com/", ""},
		{"GET", "shop.example.com.", "/a", "shop.example.com/", ""},
		{"GET", "shop.example.com.:80", "/a", "shop.example.com/", ""},
		{"GET", "shop.example.org", "/a", "GET /{rest...}", "a"},
		{"GET", "xshop.example.com", "/a", "GET /{rest...}", "a"},
		{"GET", "KElvin", "/a", "kelvin/", ""},
		{"GET", "\u212AELVIN", "/a", "GET /{rest...}", "a"},
		{"POST", "shop.example.com", "/buy", "POST shop.example.com/buy", ""},
		{"GET", "[::1]:80", "/six", "[::1]/six", ""},
		{"GET", "[::1]", "/six", "[::1]/six", ""},
		{"GET", "::1", "/six", "GET /{rest...}", "six"},
	} {
		p, err := pattern.ParsePath(c.path)
		if err != nil {
			if c.want != "" {
				t.Errorf("%s: %v", c.path, err)
			}
			continue
		}
		got, values, ok := x.Match(c.method, c.host, p)
		if c.values == "|" {
			c.values = ""
		}
		if !ok || got != c.want || strings.Join(values, " ") != c.values {
			t.Errorf("%s %s%s: %q %q, want %q %q", c.method, c.host, c.path, got, values, c.want, c.values)
		}
	}
	if _, _, ok := index(t, "/a", "GET /b").Match("POST", "", path(t, "/b")); ok {
		t.Error("a route serves a method that is not its own")
	}
}

func TestALongPatternMatchesToItsEnd(t *testing.T) {
	deep := strings.Repeat("/a", pattern.MaxSegments)
	x := index(t, deep, deep+"/{$}", "POST "+deep+"/", "/{a}"+deep[2:])
	for sent, want := range map[string]string{
		deep: deep, deep + "/": deep + "/{$}", deep + "/a": "", deep + "//": "", deep + "/a/a": "", deep[2:]: "",
	} {
		if got, _, _ := x.Match("GET", "", path(t, sent)); got != want {
			t.Errorf("%s is served by %q", sent, got)
		}
	}
	for _, sent := range []string{deep + "/a", deep + "//", deep + "/a/a", deep + "/a/a/a"} {
		if got, _, _ := x.Match("POST", "", path(t, sent)); got != "POST "+deep+"/" {
			t.Errorf("POST %s is served by %q", sent, got)
		}
	}
}

func TestTheMethodsOfAPathAreThoseOfAllItsRoutes(t *testing.T) {
	x := index(t, "GET /a", "POST /a", "DELETE /{x}", "OPTIONS /{x...}", "PUT h/a", "/any/{x}", "GET /any/{x}")
	for _, c := range []struct {
		host, path, want string
		every            bool
	}{
		{"", "/a", "DELETE GET HEAD OPTIONS POST", false},
		{"h:1", "/a", "DELETE GET HEAD OPTIONS POST PUT", false},
		{"", "/b", "DELETE OPTIONS", false},
		{"", "/b/c", "OPTIONS", false},
		{"", "/any/c", "", true},
	} {
		methods, every := x.Methods(c.host, path(t, c.path))
		if strings.Join(methods, " ") != c.want || every != c.every {
			t.Errorf("%s%s: %v %v", c.host, c.path, methods, every)
		}
	}
	if methods, every := index(t, "GET /a").Methods("", path(t, "/b")); len(methods) > 0 || every {
		t.Errorf("a path without routes has %v", methods)
	}
}

// words are few, so that random patterns and paths meet often.
var (
	words   = []string{"a", "b", "a%2Fb", "%61"}
	hosts   = []string{"", "", "h", "i"}
	methods = []string{"", "", "GET", "HEAD", "POST"}
)

func randomPattern(r *rand.Rand) string {
	var b strings.Builder
	if m := pick(r, methods); m != "" {
		b.WriteString(m + " ")
	}
	b.WriteString(pick(r, hosts))
	for i := range 1 + r.IntN(4) {
		switch r.IntN(4) {
		case 0:
			fmt.Fprintf(&b, "/{v%d}", i)
		default:
			b.WriteString("/" + pick(r, words))
		}
	}
	b.WriteString(pick(r, []string{"", "", "/", "/{$}", "/{rest...}"}))
	return b.String()
}

func randomPath(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(5) {
		b.WriteString("/" + pick(r, append(words, "c", "")))
	}
	return "/" + strings.TrimLeft(b.String(), "/")
}

func pick(r *rand.Rand, of []string) string { return of[r.IntN(len(of))] }

// takes says by the definition, of the texts alone, whether a pattern takes a request, and
// with which values.
func takes(t testing.TB, text, method, host, sent string) (values []string, ok bool) {
	m, at, hasMethod := strings.Cut(text, " ")
	if !hasMethod {
		m, at = "", text
	}
	h, segments, _ := strings.Cut(at, "/")
	if m != "" && m != method && (m != "GET" || method != "HEAD") || h != "" && h != host {
		return nil, false
	}
	parts := strings.Split(sent[1:], "/")
	for s := range strings.SplitSeq(segments, "/") {
		if s == "" {
			return values, len(parts) > 0
		}
		if len(parts) == 0 {
			return nil, false
		}
		switch {
		case s == "{$}":
			return values, len(parts) == 1 && parts[0] == ""
		case strings.HasSuffix(s, "...}"):
			return append(values, strings.Join(parts, "/")), true
		case s[0] == '{':
			if parts[0] == "" {
				return nil, false
			}
			values = append(values, parts[0])
		default:
			a, err := url.PathUnescape(s)
			b, err2 := url.PathUnescape(parts[0])
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			if a != b {
				return nil, false
			}
		}
		parts = parts[1:]
	}
	return values, len(parts) == 0
}

func TestTheIndexFindsWhatTheDefinitionSays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	matched := 0
	for range 400 {
		table := map[string]*pattern.Pattern{}
		for range 1 + r.IntN(40) {
			p := parse(t, randomPattern(r))
			table[p.Key()] = p
		}
		var sorted []*pattern.Pattern
		var texts []string
		for _, p := range table {
			sorted, texts = append(sorted, p), append(texts, p.String())
		}
		slices.SortFunc(sorted, pattern.Compare)
		x := index(t, texts...)
		for range 50 {
			method, host, sent := pick(r, methods[2:]), pick(r, hosts), randomPath(r)
			var want string
			var wantValues []string
			wantMethods, wantEvery := map[string]bool{}, false
			for _, p := range sorted {
				if values, ok := takes(t, p.String(), method, host, sent); ok && want == "" {
					want, wantValues = p.String(), values
				}
				if _, ok := takes(t, p.String(), p.Method(), host, sent); ok {
					wantEvery = wantEvery || p.Method() == ""
					wantMethods[p.Method()] = true
					if p.Method() == "GET" {
						wantMethods["HEAD"] = true
					}
				}
			}
			got, values, ok := x.Match(method, host, path(t, sent))
			if ok != (want != "") || got != want || !slices.Equal(values, wantValues) {
				t.Fatalf("%s %s%s of %q: %q %q, want %q %q", method, host, sent, texts, got, values, want, wantValues)
			}
			all, every := x.Methods(host, path(t, sent))
			if every != wantEvery || !every && (len(all) != len(wantMethods) || slices.ContainsFunc(all, func(m string) bool { return !wantMethods[m] })) {
				t.Fatalf("%s%s of %q: methods %v %v, want %v", host, sent, texts, all, every, wantMethods)
			}
			if ok {
				matched++
			}
		}
	}
	if matched < 5000 {
		t.Errorf("only %d requests of 20000 found a route", matched)
	}
}

func TestTheOrderOfPatternsIsTotal(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 60_000 {
		a, b, c := parse(t, randomPattern(r)), parse(t, randomPattern(r)), parse(t, randomPattern(r))
		ab, ba := pattern.Compare(a, b), pattern.Compare(b, a)
		switch {
		case (ab < 0) != (ba > 0), (ab == 0) != (ba == 0):
			t.Fatalf("%q and %q: %d and %d", a, b, ab, ba)
		case (ab == 0) != (a.Key() == b.Key()):
			t.Fatalf("%q and %q: %d, keys %q and %q", a, b, ab, a.Key(), b.Key())
		case ab <= 0 && pattern.Compare(b, c) <= 0 && pattern.Compare(a, c) > 0:
			t.Fatalf("%q, %q, %q are a circle", a, b, c)
		}
	}
}
