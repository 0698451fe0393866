package subject

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestEscapeIsReversibleAndCanonical(t *testing.T) {
	for plain, escaped := range map[string]string{
		"ann":              "ann",
		"ann@x.org":        "ann=40x=2Eorg",
		"a b":              "a=20b",
		"=":                "=3D",
		"*":                "=2A",
		">":                "=3E",
		"Zoë":              "Zo=C3=AB",
		"a-b_C9":           "a-b_C9",
		"\x00\xff":         "=00=FF",
		"auth0|5f7c8ec7":   "auth0=7C5f7c8ec7",
		"urn:uuid:1/2+3\r": "urn=3Auuid=3A1=2F2=2B3=0D",
	} {
		got, err := Escape(plain)
		if err != nil || got != escaped {
			t.Errorf("Escape(%q) = %q, %v; want %q", plain, got, err, escaped)
		}
		back, err := Unescape(escaped)
		if err != nil || back != plain {
			t.Errorf("Unescape(%q) = %q, %v; want %q", escaped, back, err, plain)
		}
	}
}

func TestWhatCannotBeATokenIsRefused(t *testing.T) {
	for _, s := range []string{"", strings.Repeat("x", MaxToken+1)} {
		if _, err := Escape(s); !errors.Is(err, ErrToken) {
			t.Errorf("Escape of %d bytes: %v", len(s), err)
		}
	}
	for _, s := range []string{"", "a.b", "a b", "=4", "=", "=4x", "=2e", "=41", "a=", "*", ">", "ä", strings.Repeat("x", MaxToken+1)} {
		if got, err := Unescape(s); !errors.Is(err, ErrToken) {
			t.Errorf("Unescape(%q) = %q, %v", s, got, err)
		}
	}
}

func TestOnlyCanonicalSubjectsCarryEvents(t *testing.T) {
	for s, ok := range map[string]bool{
		"user.ann": true, "user.ann=40x": true, "topic.a": true, "topic.a.b.c": true,
		"": false, "user": false, "user.": false, "user.a.b": false, "user.*": false, "user.a b": false,
		"topic": false, "topic.": false, "topic..a": false, "topic.a.": false, "topic.a.*": false, "topic.>": false,
		"tick.n1": false, "out.user.ann": false, "$KV.blacklist.a": false, "user.ann\r\n": false,
		"topic." + strings.Repeat("a.", 15) + "a":                                                              true,
		"topic." + strings.Repeat("a.", 16) + "a":                                                              false,
		"topic." + strings.Repeat(strings.Repeat("a", 170)+".", 11) + strings.Repeat("b", MaxBytes-6-11*171):   true,
		"topic." + strings.Repeat(strings.Repeat("a", 170)+".", 11) + strings.Repeat("b", MaxBytes-6-11*171+1): false,
	} {
		if err := Check(s); (err == nil) != ok {
			t.Errorf("Check(%q) = %v", s, err)
		}
	}
	for s, ok := range map[string]bool{
		"user.*": true, "topic.*": true, "topic.>": true, "topic.a.>": true, "topic.*.b": true, "user.ann": true,
		"topic." + strings.Repeat(strings.Repeat("=E2", 200)+".", 4) + ">": false,
		"user.>": false, ">": false, "*": false, "topic.>.a": false, "topic.a*": false, "*.ann": false,
	} {
		if err := CheckPattern(s); (err == nil) != ok {
			t.Errorf("CheckPattern(%q) = %v", s, err)
		}
	}
}

func TestMatchIsThatOfNATS(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"user.ann", "user.ann", true}, {"user.ann", "user.bob", false}, {"user.*", "user.ann", true},
		{"topic.*", "topic.a.b", false}, {"topic.>", "topic.a.b", true}, {"topic.>", "topic", false},
		{"topic.*.b", "topic.a.b", true}, {"topic.*.b", "topic.a.c", false}, {"topic.a", "topic.a.b", false},
		{"topic.>", "topic.*", true}, {"topic.*", "topic.>", false}, {"topic.*", "topic.*", true},
		{"topic.a", "topic.*", false}, {"topic.a.>", "topic.a.*.c", true}, {"topic.a.>", "topic.>", false},
	} {
		if got := Match(c.pattern, c.s); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.s, got)
		}
	}
}

func TestUserOfIsTheInverseOfOfUser(t *testing.T) {
	s, err := OfUser("ann@x.org")
	if err != nil || s != "user.ann=40x=2Eorg" {
		t.Fatalf("OfUser: %q, %v", s, err)
	}
	if u := UserOf(s); u != "ann@x.org" {
		t.Errorf("UserOf(%q) = %q", s, u)
	}
	for _, s := range []string{"topic.a", "user.", "user.a b", "user.*"} {
		if u := UserOf(s); u != "" {
			t.Errorf("UserOf(%q) = %q", s, u)
		}
	}
}

func lookup(values map[string][]string) Lookup {
	return func(name string) []string { return values[name] }
}

func TestATemplateFansOutAndEscapes(t *testing.T) {
	known := func(n string) bool { return n == "key" }
	values := lookup(map[string][]string{"/ids": {"a", "b.*", "a"}, "/room": {"r 1"}, "key": {"k"}, "/empty": {""}})
	for source, want := range map[string][]string{
		"user.{/ids}":             {"user.a", "user.b=2E=2A"},
		"topic.{key}.x-{/room}":   {"topic.k.x-r=201"},
		"topic.{/ids}.{/room}":    {"topic.a.r=201", "topic.b=2E=2A.r=201"},
		"topic.news":              {"topic.news"},
		"topic.{/ids}.and.{/ids}": {"topic.a.and.a", "topic.b=2E=2A.and.a", "topic.a.and.b=2E=2A", "topic.b=2E=2A.and.b=2E=2A"},
	} {
		tmpl, err := ParseSubjectTemplate(source, false, known)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		got, err := tmpl.Expand(values)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", source, got, err, want)
		}
	}
	for source, want := range map[string]error{"user.{/none}": ErrMissing, "user.{/empty}": ErrToken} {
		tmpl, err := ParseSubjectTemplate(source, false, known)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tmpl.Expand(values); !errors.Is(err, want) {
			t.Errorf("%s: %q, %v; want %v", source, got, err, want)
		}
	}
	many := make([]string, 40)
	for i := range many {
		many[i] = strings.Repeat("x", i+1)
	}
	tmpl, err := ParseSubjectTemplate("topic.{/a}.{/a}", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tmpl.Expand(lookup(map[string][]string{"/a": many})); !errors.Is(err, ErrFanOut) {
		t.Errorf("fan-out: %v", err)
	}
}

func TestABadTemplateIsRefused(t *testing.T) {
	for _, source := range []string{"", "user.{", "user.}", "user.{}", "user.{x}", "user.{/a~2}", "user.{/a}.b", "room.{/a}", "user", "user.>", "topic.{/a}.*"} {
		if _, err := ParseSubjectTemplate(source, false, nil); err == nil {
			t.Errorf("%q was accepted", source)
		}
	}
	for _, source := range []string{"topic.{/a}.*", "user.*", "topic.>"} {
		if _, err := ParseSubjectTemplate(source, true, nil); err != nil {
			t.Errorf("%q: %v", source, err)
		}
	}
}

func TestATextTemplateTakesOneValueEach(t *testing.T) {
	tmpl, err := ParseTemplate("order.{/state}", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tmpl.Text(lookup(map[string][]string{"/state": {"a.b"}})); err != nil || got != "order.a.b" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := tmpl.Text(lookup(map[string][]string{"/state": {"a", "b"}})); !errors.Is(err, ErrFanOut) {
		t.Errorf("list: %v", err)
	}
	if _, err := tmpl.Text(lookup(nil)); !errors.Is(err, ErrMissing) {
		t.Errorf("missing: %v", err)
	}
}

func FuzzUnescape(f *testing.F) {
	f.Add("ann=40x=2Eorg")
	f.Fuzz(func(t *testing.T, s string) {
		plain, err := Unescape(s)
		if err != nil {
			return
		}
		if back, err := Escape(plain); err != nil || back != s {
			t.Errorf("%q unescapes to %q, which escapes to %q, %v", s, plain, back, err)
		}
	})
}

func FuzzTemplate(f *testing.F) {
	f.Add("user.{/data/id}", "ann")
	f.Add("topic.{key}.*", "a.b>")
	f.Fuzz(func(t *testing.T, source, value string) {
		tmpl, err := ParseSubjectTemplate(source, false, func(string) bool { return true })
		if err != nil {
			return
		}
		subjects, err := tmpl.Expand(func(string) []string { return []string{value} })
		if err != nil {
			return
		}
		for _, s := range subjects {
			// Only the length of a token made of text and value can be wrong.
			if err := Check(s); err != nil && !strings.Contains(err.Error(), "bytes") {
				t.Errorf("%q with %q makes %q: %v", source, value, s, err)
			}
		}
	})
}

func TestDistinctKeepsTheFirstOfEach(t *testing.T) {
	for _, times := range []int{1, 2, fewSubjects} { // of few, and of many
		list := slices.Repeat([]string{"user.a", "topic.b", "user.a", "user.c", "topic.b"}, times)
		if got, want := Distinct(list), []string{"user.a", "topic.b", "user.c"}; !slices.Equal(got, want) {
			t.Errorf("%d times: got %q, want %q", times, got, want)
		}
	}
}

// It is called for each connection that asks for subjects beside its token's.
func TestFewSubjectsAreMadeDistinctInTheirPlace(t *testing.T) {
	list := []string{"user.a", "topic.b", "topic.c"}
	if n := testing.AllocsPerRun(100, func() { list = Distinct(list) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
