package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// JSON is a value of any form, kept as JSON text (RFC 8259): what reads it knows its
// keys. It is written in YAML, or as a string that holds the JSON itself.
type JSON []byte

// maxJSON bounds one in bytes: an alias in YAML may stand for much.
const maxJSON = 1 << 20

var jsonType = reflect.TypeFor[JSON]()

var errNoJSON = errors.New("is no JSON")

// UnmarshalText implements encoding.TextUnmarshaler: of the JSON itself.
func (j *JSON) UnmarshalText(text []byte) error {
	if text = bytes.TrimSpace(text); !json.Valid(text) {
		return errNoJSON
	}
	*j = bytes.Clone(text)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (j JSON) MarshalText() ([]byte, error) { return j, nil }

// decodeJSON reads a value of any form. Where its parts come from is remembered, so that
// what is found wrong with one is said with its line.
func (d *document) decodeJSON(n ast.Node, v reflect.Value, key string, line int) {
	if text, quoted, ok := scalarText(n); ok && quoted {
		if !json.Valid([]byte(text)) {
			d.add(d.at(line), key, errNoJSON.Error()+"; write it as keys, or as JSON")
			return
		}
		v.SetBytes([]byte(text))
		return
	}
	w := jsonWriter{document: d}
	w.value(n, key, line, 0)
	switch {
	case w.tooLarge:
		d.add(d.at(line), key, "is too large")
	case !w.failed:
		v.SetBytes(w.out.Bytes())
	}
}

type jsonWriter struct {
	*document
	out      bytes.Buffer
	failed   bool
	tooLarge bool
}

func (w *jsonWriter) bad(line int, key, msg string) {
	w.failed = true
	w.add(w.at(line), key, msg)
}

func (w *jsonWriter) value(n ast.Node, key string, at, depth int) {
	if w.tooLarge = w.tooLarge || w.out.Len() > maxJSON || depth > maxDepth; w.tooLarge {
		return
	}
	n, err := w.resolve(n)
	if err != nil {
		w.bad(at, key, err.Error())
		return
	}
	if depth > 0 {
		w.origins[key] = w.document.at(at)
	}
	if n == nil || n.Type() == ast.NullType {
		w.out.WriteString("null")
		return
	}
	if _, ok := entries(n); ok {
		w.object(n, key, at, depth)
		return
	}
	if list, ok := n.(*ast.SequenceNode); ok {
		w.out.WriteByte('[')
		for i, value := range list.Values {
			if i > 0 {
				w.out.WriteByte(',')
			}
			entryAt := at
			if value != nil {
				entryAt = line(value)
			}
			w.value(value, key+"["+strconv.Itoa(i)+"]", entryAt, depth+1)
		}
		w.out.WriteByte(']')
		return
	}
	text, quoted, ok := scalarText(n)
	switch {
	case !ok:
		w.bad(at, key, "must be one value, a list or keys")
	case !quoted && isPlainJSON(text):
		w.out.WriteString(text)
	default:
		w.string(text)
	}
}

func (w *jsonWriter) object(n ast.Node, key string, at, depth int) {
	before, first := len(w.diagnostics), true
	w.out.WriteByte('{')
	w.each(n, key, at, func(name string, value ast.Node, line int) {
		if !first {
			w.out.WriteByte(',')
		}
		first = false
		w.string(name)
		w.out.WriteByte(':')
		w.value(value, join(key, name), line, depth+1)
	})
	w.out.WriteByte('}')
	w.failed = w.failed || len(w.diagnostics) > before
}

func (w *jsonWriter) string(text string) {
	enc := json.NewEncoder(&w.out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text)            // a string has no error
	w.out.Truncate(w.out.Len() - 1) // nor need of a line
}

// compact is JSON on one line.
func compact(text []byte) string {
	var out bytes.Buffer
	if json.Compact(&out, text) != nil {
		return strconv.Quote(string(text))
	}
	return out.String()
}

// isPlainJSON reports whether a word of YAML is the same in JSON: true, false, or a
// number as JSON writes it.
func isPlainJSON(text string) bool {
	if text == "true" || text == "false" {
		return true
	}
	return text != "" && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') && json.Valid([]byte(text))
}
