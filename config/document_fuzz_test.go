package config

import (
	"encoding/json"
	"strings"
	"testing"
)

func FuzzLoadNeverPanics(f *testing.F) {
	for _, s := range []string{
		full, "", "a: &a [*a]", "? a\n: b", "- a", "node: {users: [{name: }]}", "log: !!str {level: info}",
		"%YAML 1.2\n---\nlog: {}\n...", "log:\n  level: |\n    info", "node: {<<: {name: x}}", "[]: {}", "{{}}: 1", "a: 'b",
		"\xef\xbb\xbflog: {}", "\xff\xfel\x00", "cluster: {secret: s, seeds: [a:1, :2, b:c:3, 'q':1, x :1, y: 1]}", "{\"log\":{\"level\":\"warn\"}}",
		"node: {users: [\n  {name: a, password: b:c, role: operator}\n]}", "[{a:[b:{c:[:1]}]}]", "{a: [&x b:1, *x, !!str c:1, ? d:1, https://e:80]}",
	} {
		f.Add(s, "")
		f.Add("node: {any: {a: "+s+"}}", "")
		f.Add("", s)
	}
	f.Fuzz(func(t *testing.T, text, variable string) {
		var into sample
		l := LoadText(Source{Path: "weft.yaml", Environ: []string{"WEFT_NODE_USERS=" + variable}}, []byte(text), &into)
		if err := l.Err(); err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Fatal("refused without a reason")
			}
			return
		}
		var b strings.Builder
		if err := l.WriteYAML(&b); err != nil {
			t.Fatal(err)
		}
		for key, value := range into.Node.Any {
			if value != nil && !json.Valid(value) {
				t.Fatalf("%q is %q, which is no JSON", key, value)
			}
		}
	})
}
