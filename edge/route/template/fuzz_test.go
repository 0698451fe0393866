package template_test

import (
	"net/url"
	"strings"
	"testing"

	"weft/edge/route/pattern"
	"weft/edge/route/template"
	"weft/jetstream/subject"
)

// FuzzHeader makes sure that no header has a control character, whatever fills it.
func FuzzHeader(f *testing.F) {
	f.Add("x {id} {/a} {header:x-b} {query:c} {{ {user}", "a%0d%0ab", "c\r\nd")
	f.Add("{rest}{/a/0}", "%c2%85", "\u0085")
	f.Fuzz(func(t *testing.T, text, sent, claim string) {
		parsed, err := template.Parse(text, all)
		if err != nil || template.HasControl(text) {
			return
		}
		v := request()
		v.path["id"], v.path["rest"] = sent, sent
		v.claims["a"] = []any{claim, claim}
		for _, m := range []map[string]string{v.header, v.query, v.known} {
			for k := range m {
				m[k] = claim
			}
		}
		for _, fill := range []func(template.Values) (string, bool){parsed.Header, parsed.Line} {
			got, ok := fill(v)
			if ok && (strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) || len(got) > template.MaxFilled) {
				t.Fatalf("%q is %q", text, got)
			}
		}
	})
}

// FuzzPath makes sure that a value of a path stays in its segment, the rest within what it
// stands for, and that no path is one that would be refused of a client.
func FuzzPath(f *testing.F) {
	f.Add("/v1/{id}/{rest}", "a%2Fb", "c//d")
	f.Add("/v1/.{id}{x}", "%2e", ";/x")
	f.Add("/{rest}.{id}", "..", `\a`)
	f.Fuzz(func(t *testing.T, text, id, rest string) {
		parsed, err := template.ParsePath(text, all)
		if err != nil || !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") {
			return
		}
		v := request()
		v.path["id"], v.path["rest"] = id, rest
		got, err := parsed.Path(v)
		if err != nil {
			return
		}
		if _, err := pattern.ParsePath(got); err != nil {
			t.Fatalf("%q of %q and %q is %q, which is refused: %v", text, id, rest, got, err)
		}
		if want := strings.Count(text, "/") + strings.Count(text, "{rest}")*strings.Count(rest, "/"); strings.Count(got, "/") != want {
			t.Fatalf("%q of %q and %q is %q, which has not %d slashes", text, id, rest, got, want)
		}
		if u, err := url.ParseRequestURI(got); err != nil || u.EscapedPath() == "" || u.RawQuery != "" || u.Host != "" {
			t.Fatalf("%q is no path: %v", got, err)
		}
	})
}

// FuzzSubject makes sure that a value stays in its token, and that what it was can be had
// back.
func FuzzSubject(f *testing.F) {
	f.Add("svc.a.{id}.{rest}", "a.b.>", "c/d", "*")
	f.Add("svc.{/a/0}.{user}", "%2e", "", "\r\n")
	f.Fuzz(func(t *testing.T, text, id, rest, claim string) {
		parsed, err := template.ParseSubject(text, all)
		if err != nil {
			return
		}
		v := request()
		v.path["id"], v.path["rest"], v.known["user"] = id, rest, claim
		v.claims["a"] = []any{claim}
		got, err := parsed.Subject(v)
		if err != nil {
			return
		}
		tokens := strings.Split(got, ".")
		if len(got) > subject.MaxBytes || tokens[0] != "svc" || len(tokens) < 2 {
			t.Fatalf("%q is %q", text, got)
		}
		for _, token := range tokens {
			if _, err := subject.Unescape(token); err != nil {
				t.Fatalf("%q is %q: %v", text, got, err)
			}
		}
		if !strings.Contains(text, "{/") { // whose dots are not those of the subject
			if want := strings.Count(text, ".") + 1 + strings.Count(text, "{rest}")*strings.Count(rest, "/"); len(tokens) != want {
				t.Fatalf("%q of %q and %q is %q, which has not %d tokens", text, id, rest, got, want)
			}
		}
	})
}
