package pattern_test

import (
	"cmp"
	"strings"
	"testing"

	"weft/edge/route/pattern"
)

func TestABadPatternIsToldWhatIsWrong(t *testing.T) {
	deep := strings.Repeat("/a", pattern.MaxSegments)
	for text, want := range map[string]string{
		"":                       "is missing",
		"GET":                    "has no path; it begins with /",
		"GET shop.example.com":   "has no path; it begins with /",
		"get /a":                 `method "get" is not upper case`,
		"Get /a":                 `method "Get" is not upper case`,
		" /a":                    `method "" is no HTTP method`,
		"G(T /a":                 `method "G(T" is no HTTP method`,
		"CONNECT /a":             "CONNECT and TRACE are not forwarded",
		"TRACE /a":               "CONNECT and TRACE are not forwarded",
		"/_weft/":                "/_weft/ is Weft's own",
		"/_weft":                 "/_weft/ is Weft's own",
		"GET /_weft/v1/events":   "/_weft/ is Weft's own",
		"x.example.com/_weft/a":  "/_weft/ is Weft's own",
		"/_weft%2Fv1/a":          "/_weft/ is Weft's own",
		"/%5fwef%74/{rest...}":   "/_weft/ is Weft's own",
		"/a/../b":                `has a "." or ".." segment`,
		"/./b":                   `has a "." or ".." segment`,
		"/a/%2e%2E":              `has a "." or ".." segment`,
		"/a/..;x":                `has a "." or ".." segment`,
		"/a/b%2f..%2fc":          `has a "." or ".." segment`,
		`/a/b\..`:                `has a "." or ".." segment`,
		"/a//b":                  "has an empty segment",
		"//":                     "has an empty segment",
		"//evil":                 "has an empty segment",
		"/{x}b":                  `"{x}b": a placeholder is a whole segment`,
		"/a{x}":                  `"a{x}": a placeholder is a whole segment`,
		"/{x":                    `"{x": a placeholder is a whole segment`,
		"/x}":                    `"x}": a placeholder is a whole segment`,
		"/{{x}}":                 `"{{x}}": a placeholder is a whole segment`,
		"/{a}{b}":                `"{a}{b}": a placeholder is a whole segment`,
		"/{}":                    `"{}": a placeholder has a name of letters, digits and _ that begins with no digit`,
		"/{...}":                 `"{...}": a placeholder has a name of letters, digits and _ that begins with no digit`,
		"/{1a}":                  `"{1a}": a placeholder has a name of letters, digits and _ that begins with no digit`,
		"/{a-b}":                 `"{a-b}": a placeholder has a name of letters, digits and _ that begins with no digit`,
		"/{x...}/a":              "{x...} is not the last segment",
		"/{x...}/":               "{x...} is not the last segment",
		"/{$}/a":                 "{$} is not the last segment",
		"/{x}/{x}":               "names {x} twice",
		"/{x}/a/{x...}":          "names {x} twice",
		"Shop.example.com/a":     "host is not a lower-case name without a port",
		"shop.example.com:80/a":  "host is not a lower-case name without a port",
		"*.example.com/a":        "host is not a lower-case name without a port",
		"shop..example.com/a":    "host is not a lower-case name without a port",
		"{tenant}.example.com/a": "host is not a lower-case name without a port",
		"[::1/a":                 "host is not a lower-case name without a port",
		"[0::1]/a":               "host is not a lower-case name without a port",
		"http://x/a":             "host is not a lower-case name without a port",
		"GET a b/c":              "host is not a lower-case name without a port",
		deep + "/a":              "has more than 32 segments",
		deep + "/{x}":            "has more than 32 segments",
		deep + "/{x...}":         "has more than 32 segments",
		"/%zz":                   `"%zz" has a malformed %; a percent sign is %25`,
		"/a?b=c":                 "has a ? or #; it is matched against paths only, where they are %3F and %23",
		"/a%0ab":                 `"a%0ab" has a control character`,
		"/a\x7f":                 "\"a\\x7f\" has a control character",
		"/" + strings.Repeat("a", pattern.MaxBytes): "is longer than 1024 bytes",
	} {
		p, err := pattern.Parse(text)
		if err == nil || p != nil || err.Error() != want {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestAGoodPatternIsRead(t *testing.T) {
	deep := strings.Repeat("/a", pattern.MaxSegments)
	for text, want := range map[string]struct{ method, host, names, key string }{
		"/":                              {"", "", "", "/{...}"},
		"/{$}":                           {"", "", "", "/{$}"},
		"/{rest...}":                     {"", "", "rest", "/{...}"},
		"GET /orders/{id}":               {"GET", "", "id", "GET /orders/{}"},
		"GET \t /orders/{id}":            {"GET", "", "id", "GET /orders/{}"},
		"M-SEARCH /a":                    {"M-SEARCH", "", "", "M-SEARCH /a"},
		"shop.example.com/img/{rest...}": {"", "shop.example.com", "rest", "shop.example.com/img/{...}"},
		"[::1]/a":                        {"", "[::1]", "", "[::1]/a"},
		"127.0.0.1/a":                    {"", "127.0.0.1", "", "127.0.0.1/a"},
		"PUT a_b.x-1/{a}/{b}/{c...}":     {"PUT", "a_b.x-1", "a b c", "PUT a_b.x-1/{}/{}/{...}"},
		"/a%20%62":                       {"", "", "", "/a%20b"},
		"/a b":                           {"", "", "", "/a%20b"},
		"/größe/{größe}":                 {"", "", "größe", "/gr%C3%B6%C3%9Fe/{}"},
		"/a%2Fb":                         {"", "", "", "/a%2Fb"},
		"/%7Bx%7D":                       {"", "", "", "/%7Bx%7D"},
		"/_weft2/a/_weft":                {"", "", "", "/_weft2/a/_weft"},
		"/.../.a":                        {"", "", "", "/.../.a"},
		deep:                             {"", "", "", deep},
		deep + "/":                       {"", "", "", deep + "/{...}"},
		deep + "/{$}":                    {"", "", "", deep + "/{$}"},
	} {
		p, err := pattern.Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got := struct{ method, host, names, key string }{p.Method(), p.Host(), strings.Join(p.Names(), " "), p.Key()}
		if got != want || p.String() != text {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

func TestPatternsThatDifferInNamesAndEscapesOnlyAreTheSame(t *testing.T) {
	for _, same := range [][]string{
		{"/a%20b", "/a%20%62", "/a b"},
		{"/files/", "/files/{rest...}", "/files/{r...}"},
		{"GET h/{a}/{b}", "GET h/{b}/{a}", "GET  h/{x}/{y}"},
	} {
		for _, s := range same {
			if got, want := parse(t, s), parse(t, same[0]); got.Key() != want.Key() || pattern.Compare(got, want) != 0 {
				t.Errorf("%q and %q are two", s, same[0])
			}
		}
	}
	for _, two := range [][2]string{{"/a", "/a/"}, {"/a%2Fb", "/a/b"}, {"/a", "/A"}, {"/", "/{$}"}, {"/{x}", "/{x...}"}, {"GET /", "/"}, {"GET /", "HEAD /"}, {"h/", "/"}, {"/%7B%7D", "/{x}"}} {
		if a, b := parse(t, two[0]), parse(t, two[1]); a.Key() == b.Key() || pattern.Compare(a, b) == 0 {
			t.Errorf("%q and %q are one", two[0], two[1])
		}
	}
}

func TestTheMoreExactPatternComesFirst(t *testing.T) {
	order := []string{
		"HEAD h/a", "GET h/a", "h/a", "h/{$}", "h/{x}", "h/", "HEAD i/a",
		"GET /a/b", "/a/{$}", "GET /a/{x}", "/a/{x}", "GET /a/{x}/c", "/a/{x}/", "/a/",
		"/{$}", "/{x}/b", "HEAD /{x...}", "GET /{x...}", "POST /{x...}", "/{x...}",
	}
	for i, a := range order {
		for j, b := range order {
			if got := pattern.Compare(parse(t, a), parse(t, b)); cmp.Compare(got, 0) != cmp.Compare(i, j) {
				t.Errorf("Compare(%q, %q) = %d", a, b, got)
			}
		}
	}
}

func parse(t testing.TB, text string) *pattern.Pattern {
	t.Helper()
	p, err := pattern.Parse(text)
	if err != nil {
		t.Fatalf("parse %q: %v", text, err)
	}
	return p
}
