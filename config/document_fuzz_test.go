package config

import (
	"strings"
	"testing"
)

func FuzzLoadNeverPanics(f *testing.F) {
	for _, s := range []string{
		full, "", "a: &a [*a]", "? a\n: b", "- a", "node: {users: [{name: }]}", "log: !!str {level: info}",
		"%YAML 1.2\n---\nlog: {}\n...", "log:\n  level: |\n    info", "node: {<<: {name: x}}", "[]: {}", "{{}}: 1", "a: 'b",
	} {
		f.Add(s, "")
		f.Add("", s)
	}
	f.Fuzz(func(t *testing.T, text, variable string) {
		l, err := load(Source{Path: "weft.yaml", Environ: []string{"WEFT_NODE_USERS=" + variable}}, []byte(text))
		if err == nil {
			var b strings.Builder
			if err := l.WriteYAML(&b); err != nil {
				t.Fatal(err)
			}
			return
		}
		if strings.TrimSpace(err.Error()) == "" {
			t.Fatal("refused without a reason")
		}
	})
}
