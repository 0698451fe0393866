package settings

import (
	_ "embed"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// meanings.txt holds one line for each key: the key, a tab, what it means.
//
//go:embed meanings.txt
var meaningsText string

func meanings() map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(meaningsText) {
		if key, meaning, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok {
			all[key] = strings.TrimSpace(meaning)
		}
	}
	return all
}

// WriteReference writes the table of all keys in Markdown: key, environment
// variable, default and meaning. The keys of list entries have [] in their name
// and no variable of their own.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| key | environment variable | default | meaning |\n| --- | --- | --- | --- |\n")
	root, means := reflect.ValueOf(Default()), meanings()
	for _, l := range leavesOf(configType) {
		name := ""
		if v := l.variable(); v != "" {
			name = "`" + v + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", l.key, name, l.defaultText(root), strings.ReplaceAll(means[l.key], "|", `\|`))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// defaultText is the default in the way it would be written, "" for none.
func (l leaf) defaultText(root reflect.Value) string {
	v := root
	if strings.Contains(l.key, "[") {
		return ""
	}
	for _, index := range l.path {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return ""
			}
			v = v.Elem()
		}
		v = v.FieldByIndex(index)
	}
	if v.IsZero() && !isNumber(v.Kind()) && v.Kind() != reflect.Bool {
		return ""
	}
	p := &printer{}
	return "`" + p.value(v, l.secret) + "`"
}

func isNumber(k reflect.Kind) bool { return k >= reflect.Int && k <= reflect.Float64 }
