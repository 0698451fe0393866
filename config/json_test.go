package config_test

import (
	"strings"
	"testing"

	"weft/config"
)

type documents struct {
	Routes map[string]config.JSON `yaml:"routes"`
}

func TestAValueOfAnyFormBecomesJSON(t *testing.T) {
	for text, want := range map[string]string{
		"{pattern: GET/a, n: 1, f: 1.50, yes: true, no: null, s: '1'}":   `{"pattern":"GET/a","n":1,"f":1.50,"yes":true,"no":null,"s":"1"}`,
		"\n    timeout: 30s\n    targets: [a, 'b']\n    h: {X-Y: '<&>'}": `{"timeout":"30s","targets":["a","b"],"h":{"X-Y":"<&>"}}`,
		`'{"a": [1]}'`:                       `{"a": [1]}`,
		"|\n    {\"a\": 1}\n":                "{\"a\": 1}\n",
		"{a: 007, b: 0x10, c: 1_000, d: .5}": `{"a":"007","b":"0x10","c":"1_000","d":".5"}`,
		"{a: &x [1], b: *x}":                 `{"a":[1],"b":[1]}`,
		"[1, {a: b}]":                        `[1,{"a":"b"}]`,
		"7":                                  "7",
	} {
		var c documents
		l := config.LoadText(config.Source{Path: "f"}, []byte("routes:\n  orders: "+text), &c)
		if err := l.Err(); err != nil || string(c.Routes["orders"]) != want {
			t.Errorf("%s: %s, %v; want %s", text, c.Routes["orders"], err, want)
		}
		// What is printed reads as the same.
		var out strings.Builder
		if err := l.WriteYAML(&out); err != nil {
			t.Fatal(err)
		}
		var again documents
		if err := config.LoadText(config.Source{Path: "f"}, []byte(out.String()), &again).Err(); err != nil ||
			strings.ReplaceAll(string(again.Routes["orders"]), " ", "") != strings.ReplaceAll(strings.TrimSpace(want), " ", "") {
			t.Errorf("%s: printed as %s: %v, %s", text, out.String(), err, again.Routes["orders"])
		}
	}
}

func TestAPartOfAValueOfAnyFormHasItsLine(t *testing.T) {
	var c documents
	l := config.LoadText(config.Source{Path: "weft.yaml"}, []byte("routes:\n  orders:\n    pattern: GET /a\n    targets:\n      - a\n      - b\n"), &c)
	for key, want := range map[string]int{"routes.orders": 2, "routes.orders.pattern": 3, "routes.orders.targets[1]": 6, "routes.orders.key": 2} {
		if at := l.Locate([]error{config.BadKey(key, "is bad")}); len(at) != 1 || at[0].Origin.Line != want {
			t.Errorf("%s: %v", key, at)
		}
	}
}

func TestWhatCannotBeJSONIsRefused(t *testing.T) {
	bomb := "{a: &a [x,x,x,x,x,x,x,x,x,x]"
	for i := 'b'; i < 'k'; i++ {
		bomb += ", " + string(i) + ": &" + string(i) + " [" + strings.Repeat("*"+string(i-1)+",", 9) + "*" + string(i-1) + "]"
	}
	for text, want := range map[string]string{
		"'{\"a\"'":          "is no JSON",
		"{a: 1, a: 2}":      "is there twice",
		"{a: *none}":        "there is no anchor",
		"{a: {<<: {b: 1}}}": "merge keys",
		"{a: &a [*a]}":      "is too large",
		bomb + "}":          "is too large",
	} {
		var c documents
		err := config.LoadText(config.Source{Path: "f"}, []byte("routes:\n  orders: "+text), &c).Err()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %s", text, err, want)
		}
	}
}
