package pointer_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"weft/bridge/pointer"
)

func TestFindFollowsTokensThroughObjectsAndLists(t *testing.T) {
	d := json.NewDecoder(strings.NewReader(`{"a":{"b/c":[1,{"~":"x"}],"":"e"},"n":null}`))
	d.UseNumber()
	var doc any
	if err := d.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]any{
		"/a/b~1c/0": json.Number("1"), "/a/b~1c/1/~0": "x", "/a/": "e",
		"/a/b~1c/2": nil, "/a/b~1c/00": nil, "/a/b~1c/-": nil, "/a/b~1c/-1": nil, "/a/b~1c/+0": nil, "/n/a": nil, "/n": nil, "/b": nil, "/a//x": nil,
	} {
		tokens, err := pointer.Split(p)
		if err != nil {
			t.Fatal(err)
		}
		if got := pointer.Find(doc, tokens); got != want {
			t.Errorf("%s is %v, want %v", p, got, want)
		}
	}
}

func TestScalarsAreTheTextsOfAListOrOfOne(t *testing.T) {
	for _, c := range []struct {
		value any
		want  []string
	}{
		{"a", []string{"a"}}, {json.Number("1.50"), []string{"1.50"}}, {true, []string{"true"}}, {nil, nil}, {map[string]any{}, nil},
		{[]any{"a", nil, []any{"b"}, false}, []string{"a", "false"}}, {[]any{}, nil},
	} {
		if got := pointer.Scalars(c.value); !slices.Equal(got, c.want) {
			t.Errorf("%v is %q, want %q", c.value, got, c.want)
		}
	}
}
