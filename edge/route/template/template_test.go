package template_test

import (
	"encoding/json"
	"strings"
	"testing"

	"weft/bridge/pointer"
	"weft/edge/route/template"
)

// values are those of a request.
type values struct {
	path, header, query, known map[string]string
	claims                     map[string]any
}

func (v values) PathValue(name string) (string, bool) { s, ok := v.path[name]; return s, ok }
func (v values) Claim(tokens []string) any            { return pointer.Find(v.claims, tokens) }
func (v values) Header(name string) (string, bool)    { s, ok := v.header[name]; return s, ok }
func (v values) Query(name string) (string, bool)     { s, ok := v.query[name]; return s, ok }
func (v values) Known(name string) string             { return v.known[name] }

var all = template.Scope{Names: []string{"id", "x", "rest"}, Rest: "rest", Claims: true}

func request() values {
	return values{
		path:   map[string]string{"id": "a%20b%2Fc", "x": "1", "rest": "d/e%2Ff"},
		header: map[string]string{"X-Tenant": "t", "X-Empty": ""},
		query:  map[string]string{"q": "v w"},
		known:  map[string]string{"user": "ann", "session": "s1", "request_id": "r1", "correlation": "c1", "method": "GET", "path": "/a%20b"},
		claims: map[string]any{"sub": "ann", "n": json.Number("1.50"), "ok": true, "no": nil, "roles": []any{"a", json.Number("2")}, "one": []any{"x"},
			"empty": []any{}, "deep": map[string]any{"a/b": map[string]any{"~": "v"}}, "mixed": []any{"a", nil, map[string]any{}, "b"}, "lf": "a\r\nb"},
	}
}

func TestATemplateIsFilled(t *testing.T) {
	for _, c := range []struct{ template, text, header string }{ // - is missing
		{"", "", ""},
		{"plain", "plain", "plain"},
		{"{id}", "a b/c", "a b/c"},
		{"{rest}", "d/e/f", "d/e/f"},
		{"x-{x}-{user}:{session}", "x-1-ann:s1", "x-1-ann:s1"},
		{"{request_id} {correlation} {method} {path}", "r1 c1 GET /a%20b", "r1 c1 GET /a%20b"},
		{"{header:x-tenant}{query:q}", "tv w", "tv w"},
		{"{header:X-Empty}", "", ""},
		{"{header:none}", "-", "-"},
		{"{query:none}", "-", "-"},
		{"{{", "{", "{"},
		{"{{id}", "{id}", "{id}"},
		{"a{{{x}}", "a{1}", "a{1}"},
		{`{{"n":{/n}}`, `{"n":1.50}`, `{"n":1.50}`},
		{"{/sub} {/ok}", "ann true", "ann true"},
		{"{/no}", "-", "-"},
		{"{/none}", "-", "-"},
		{"{/deep}", "-", "-"},
		{"{/deep/a~1b/~0}", "v", "v"},
		{"{/roles}", "-", "a, 2"},
		{"{/roles/1}", "2", "2"},
		{"{/roles/01}", "-", "-"},
		{"{/roles/2}", "-", "-"},
		{"{/one}", "x", "x"},
		{"{/empty}", "-", "-"},
		{"{/mixed}", "-", "a, b"},
		{"{/lf}", "a\r\nb", "-"},
		{"a {/none} b", "-", "-"},
	} {
		parsed, err := template.Parse(c.template, all)
		if err != nil {
			t.Errorf("%s: %v", c.template, err)
			continue
		}
		said := func(s string, ok bool) string {
			if !ok {
				return "-"
			}
			return s
		}
		if got := said(parsed.Text(request())); got != c.text {
			t.Errorf("%s is %q, want %q", c.template, got, c.text)
		}
		if got := said(parsed.Header(request())); got != c.header {
			t.Errorf("%s is the header %q, want %q", c.template, got, c.header)
		}
		if parsed.String() != c.template {
			t.Errorf("%s says that it is %s", c.template, parsed)
		}
	}
}

func TestAHeaderNeverHasAControlCharacter(t *testing.T) {
	for _, sent := range []string{"%0d%0aX-Admin:1", "%00", "%09", "%7f", "%c2%85", "\n"} {
		v := request()
		v.path["id"] = sent
		for _, text := range []string{"{id}", "a{id}b"} {
			parsed, err := template.Parse(text, all)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := parsed.Header(v); ok {
				t.Errorf("%s of %s is the header %q", text, sent, got)
			}
			if got, ok := parsed.Line(v); ok {
				t.Errorf("%s of %s is the line %q", text, sent, got)
			}
		}
	}
}

func TestALineIsNotEmpty(t *testing.T) {
	v := request()
	v.path["rest"] = ""
	parsed, err := template.Parse("{rest}", all)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := parsed.Line(v); ok {
		t.Errorf("got %q", got)
	}
	if got, ok := parsed.Text(v); !ok || got != "" {
		t.Errorf("a rest of nothing is %q, %v", got, ok)
	}
}

func TestAValueThatIsNamedOftenStaysBounded(t *testing.T) {
	v := request()
	v.header["X-Tenant"] = strings.Repeat("x", 40<<10)
	parsed, err := template.Parse("{header:x-tenant}{header:x-tenant}", all)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := parsed.Text(v); ok {
		t.Errorf("made %d bytes", len(got))
	}
}

func TestAScopeSaysWhatThereIs(t *testing.T) {
	bare := template.Scope{Names: []string{"id", "path"}}
	for text, want := range map[string]string{
		"{y}":           "{y} is not in the pattern",
		"{}":            "{} is not in the pattern",
		"{Id}":          "{Id} is not in the pattern",
		"{methd}":       "{methd} is not in the pattern; did you mean {method}?",
		"{/sub}":        "{/sub} is a claim, which needs mode token or optional",
		"{user}":        "{user} is of a token, which needs mode token or optional",
		"{session}":     "{session} is of a token, which needs mode token or optional",
		"{path}":        "{path} has two meanings; give the placeholder of the pattern another name",
		"{id":           "{ without }; a brace itself is {{",
		"{header:a b}":  "{header:a b} names no header",
		"{header}":      "{header} is not in the pattern",
		"{query:}":      "{query:} names no parameter",
		"{header:Weft}": "",
	} {
		_, err := template.Parse(text, bare)
		if got := ""; err != nil {
			got = err.Error()
			if got != want {
				t.Errorf("%s: %s, want %s", text, got, want)
			}
		} else if want != "" {
			t.Errorf("%s is taken", text)
		}
	}
	if _, err := template.Parse("{anything}", template.Scope{AnyName: true}); err != nil {
		t.Errorf("a name is refused where the pattern is not known: %v", err)
	}
}

func TestAPathIsFilledWithWhatWasSent(t *testing.T) {
	for _, c := range []struct{ target, id, rest, want string }{ // - cannot be made
		{"/v1", "a", "", "/v1"},
		{"/v1/{id}", "a%20b", "", "/v1/a%20b"},
		{"/v1/{id}", "a%2Fb", "", "/v1/a%2Fb"},
		{"/v1/{id}.json", "a", "", "/v1/a.json"},
		{"/v1/{rest}", "a", "", "/v1/"},
		{"/v1/{rest}", "a", "b//c%2f/", "/v1/b//c%2f/"},
		{"/v1/{rest}/{id}", "a;x=1", "b/c", "/v1/b/c/a;x=1"},
		{"/{rest}", "a", "b", "/b"},
		{"/{rest}", "a", "/evil", "-"},
		{"/{rest}", "a", `\evil`, "-"},
		{"/v1/{id}", "a/b", "", "-"},
		{"/v1/{id}", "..", "", "-"},
		{"/v1/{id}", "%2e%2E", "", "-"},
		{"/v1/.{id}", ".", "", "-"},
		{"/v1/.{id}", ";x", "", "-"},
		{"/v1/.{id}", "%2fx", "", "-"},
		{"/v1/{id}.", "x;", "", "-"},
		{"/v1/.{id}", "x", "", "/v1/.x"},
		{"/v1/{rest}", "a", "b/../c", "-"},
		{"/v1/{rest}", "a", `b\..\c`, "-"},
		{"/v1/{id}", "a%2", "", "-"},
		{"/v1/{id}", "a?b#c d", "", "/v1/a%3Fb%23c%20d"},
		{"/v1/{id}", "a%0d%0ab", "", "-"},
		{"/v1/{id}", "a\n", "", "-"},
		{"/v1/{id}", "%7F", "", "-"},
	} {
		parsed, err := template.ParsePath(c.target, all)
		if err != nil {
			t.Errorf("%s: %v", c.target, err)
			continue
		}
		v := request()
		v.path["id"], v.path["rest"] = c.id, c.rest
		got, err := parsed.Path(v)
		if err != nil {
			got = "-"
		}
		if got != c.want {
			t.Errorf("%s of %q and %q is %s, want %s", c.target, c.id, c.rest, got, c.want)
		}
	}
}

func TestASubjectHasOneTokenForEachValue(t *testing.T) {
	for _, c := range []struct{ target, id, rest, want string }{ // - cannot be made
		{"svc.orders", "a", "", "svc.orders"},
		{"svc.{id}", "a", "", "svc.a"},
		{"svc.{id}", "a.b.%3E", "", "svc.a=2Eb=2E=3E"},
		{"svc.{id}", "*", "", "svc.=2A"},
		{"svc.{id}", "a%2Fb", "", "svc.a=2Fb"},
		{"svc.{id}", "%0d%0a", "", "svc.=0D=0A"},
		{"svc.{id}", "a/b", "", "-"},
		{"svc.{id}", strings.Repeat("a", 200), "", "svc." + strings.Repeat("a", 200)},
		{"svc.{id}", strings.Repeat("a", 201), "", "-"},
		{"svc.{rest}.get", "a", "b/c", "svc.b.c.get"},
		{"svc.{rest}", "a", "", "-"},
		{"svc.{rest}", "a", "b/", "-"},
		{"svc.{rest}", "a", "b//c", "-"},
		{"svc.{rest}", "a", strings.TrimSuffix(strings.Repeat("bb/", 800), "/"), "-"},
		{"svc.{user}.{/deep/a~1b/~0}", "a", "", "svc.ann.v"},
		{"svc.{/one}", "a", "", "svc.x"},
		{"svc.{/roles}", "a", "", "-"},
		{"svc.{/none}", "a", "", "-"},
		{"svc.{/lf}", "a", "", "svc.a=0D=0Ab"},
	} {
		parsed, err := template.ParseSubject(c.target, all)
		if err != nil {
			t.Errorf("%s: %v", c.target, err)
			continue
		}
		v := request()
		v.path["id"], v.path["rest"] = c.id, c.rest
		got, err := parsed.Subject(v)
		if err != nil {
			got = "-"
		}
		if got != c.want {
			t.Errorf("%s of %q and %q is %s, want %s", c.target, c.id, c.rest, got, c.want)
		}
	}
}
