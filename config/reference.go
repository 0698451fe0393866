package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"
)

// ReadMeanings reads what keys mean, a line for each: the key, a tab, its meaning.
func ReadMeanings(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if key, meaning, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok {
			all[key] = strings.TrimSpace(meaning)
		}
	}
	return all
}

// WriteReference writes the table of all keys of a struct in Markdown: key,
// environment variable, default and meaning. The keys of list entries have [] in
// their name and no variable of their own.
func WriteReference(w io.Writer, defaults any, meanings map[string]string) error {
	var b strings.Builder
	b.WriteString("| key | environment variable | default | meaning |\n| --- | --- | --- | --- |\n")
	root := reflect.Indirect(reflect.ValueOf(defaults))
	for _, k := range keysOf(root.Type()) {
		name := ""
		if v := k.Variable(); v != "" {
			name = "`" + v + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Name, name, k.defaultText(root), strings.ReplaceAll(meanings[k.Name], "|", `\|`))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// defaultText is the default in the way it would be written, "" for none.
func (k Key) defaultText(root reflect.Value) string {
	v := root
	if strings.Contains(k.Name, "[") {
		return ""
	}
	for _, index := range k.path {
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
	return "`" + p.value(v, k.Secret) + "`"
}

func isNumber(k reflect.Kind) bool { return k >= reflect.Int && k <= reflect.Float64 }
