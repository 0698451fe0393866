package pointer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/go-openapi/jsonpointer"
)

func TestFindGivesRawValues(t *testing.T) {
	const doc = ` {"id": 9007199254740993, "a":{"b/c":[1, "x" ,{"d":null}],"":true}, "esc\u0061pe":"\"}", "e~":{}, "f":"]{" , "g":1e3} `
	for p, want := range map[string]string{
		"":            doc[1 : len(doc)-1],
		"/id":         "9007199254740993",
		"/a/b~1c/1":   `"x"`,
		"/a/b~1c":     `[1, "x" ,{"d":null}]`,
		"/a/b~1c/2":   `{"d":null}`,
		"/a/b~1c/01":  "",
		"/a/b~1c/-":   "",
		"/a/b~1c/3":   "",
		"/a/b~1c/2/d": "null",
		"/a/":         "true",
		"/escape":     `"\"}"`,
		"/e~0":        "{}",
		"/f":          `"]{"`,
		"/f/x":        "",
		"/g":          "1e3",
		"/nothing":    "",
	} {
		s, err := NewSet(p)
		if err != nil {
			t.Fatal(err)
		}
		found := make([][]byte, 1)
		if err := s.Find([]byte(doc), found); err != nil {
			t.Fatal(err)
		}
		if string(found[0]) != want {
			t.Errorf("%q: got %q, want %q", p, found[0], want)
		}
	}
}

func TestFindLastOfTwoKeysCounts(t *testing.T) {
	s, err := NewSet("/a/b", "/a/c")
	if err != nil {
		t.Fatal(err)
	}
	found := make([][]byte, 2)
	if err := s.Find([]byte(`{"a":{"b":1},"a":{"c":2}}`), found); err != nil {
		t.Fatal(err)
	}
	if found[0] != nil || string(found[1]) != "2" {
		t.Errorf("got %q", found)
	}
}

func TestFindRefusesWhatIsNotJSON(t *testing.T) {
	s, err := NewSet("/a")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{"", " ", "{", `{"a":1}x`, "{\"a\":\"\xff\"}", `{'a':1}`, "{\"a\":\"\n\"}", "NaN"} {
		if err := s.Find([]byte(doc), make([][]byte, 1)); !errors.Is(err, ErrJSON) {
			t.Errorf("%q: %v", doc, err)
		}
	}
}

func TestNewSetRefusesBadPointers(t *testing.T) {
	for _, p := range []string{"a", "/~", "/~2", "/a/~"} {
		if _, err := NewSet(p); !errors.Is(err, ErrPointer) {
			t.Errorf("%q: %v", p, err)
		}
		if Check(p) == nil {
			t.Errorf("%q passes", p)
		}
	}
}

func TestTexts(t *testing.T) {
	for raw, want := range map[string][]string{
		`"a\u00e4\ud83d\ude00"`: {"aä😀"},
		`12345678901234567890`:  {"12345678901234567890"},
		`-0.10`:                 {"-0.10"},
		`true`:                  {"true"},
		`null`:                  nil,
		``:                      nil,
		`[]`:                    nil,
		`[ 1 , "b",false ]`:     {"1", "b", "false"},
		`"\ufffd"`:              {"\uFFFD"},
		`"\\ufffd"`:             {`\ufffd`},
		`""`:                    {""},
	} {
		got, err := Texts([]byte(raw))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %v", raw, got, err)
		}
	}
	for _, raw := range []string{`{}`, `[[1]]`, `[{}]`, `[null]`, `"\ud800"`, `"\\\ud800x"`, `["\udc00\ud800"]`} {
		if got, err := Texts([]byte(raw)); !errors.Is(err, ErrText) {
			t.Errorf("%s: %q, %v", raw, got, err)
		}
	}
}

// FuzzFind compares with a decoded document and another implementation of RFC 6901.
func FuzzFind(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,2,{"c":"x"}]},"d":null}`), "/a/b/2/c")
	f.Add([]byte(`[[],[0,"\u0000"]]`), "/1/1")
	f.Add([]byte(`{"~":{"/":1}}`), "/~0/~1")
	f.Add([]byte(`{"a":1,"a":{"a":2}}`), "/a/a")
	f.Fuzz(func(t *testing.T, doc []byte, p string) {
		s, err := NewSet(p)
		if err != nil {
			return
		}
		found := make([][]byte, 1)
		if err := s.Find(doc, found); err != nil {
			return
		}
		if found[0] != nil {
			if _, err := Texts(found[0]); err != nil && !errors.Is(err, ErrText) {
				t.Fatal(err)
			}
		}
		dec := json.NewDecoder(bytes.NewReader(doc))
		dec.UseNumber()
		var tree any
		if dec.Decode(&tree) != nil {
			t.Fatalf("accepted %q", doc)
		}
		other, err := jsonpointer.New(p)
		if err != nil {
			return
		}
		want, _, err := other.Get(tree)
		if (err == nil) != (found[0] != nil) {
			// The library also takes 01 and +1 as an index; RFC 6901 does not.
			if found[0] == nil {
				return
			}
			t.Fatalf("%q in %q: got %q, want %v, %v", p, doc, found[0], want, err)
		}
		if err != nil {
			return
		}
		dec = json.NewDecoder(bytes.NewReader(found[0]))
		dec.UseNumber()
		var got any
		if err := dec.Decode(&got); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%q in %q: got %v (%v), want %v", p, doc, got, err, want)
		}
	})
}
