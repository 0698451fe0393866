package settings

import (
	"encoding"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A field is one key of a section: a struct field with a yaml tag.
type field struct {
	name   string
	index  []int
	typ    reflect.Type
	secret bool
}

// fieldsOf lists the keys of a section in the order of the struct. The fields
// of embedded structs count as the section's own.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
		case name == "" && f.Anonymous && f.Type.Kind() == reflect.Struct:
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append(slices.Clone(f.Index), inner.index...)
				fields = append(fields, inner)
			}
		case name != "":
			fields = append(fields, field{name: name, index: f.Index, typ: f.Type, secret: isSecret(name, f)})
		}
	}
	return fields
}

// secretNames are the keys whose values are masked wherever they are printed.
// A field with another name says so with the tag `secret:"true"`.
var secretNames = []string{"secret", "password", "token", "client_secret"}

func isSecret(name string, f reflect.StructField) bool {
	return f.Tag.Get("secret") == "true" || f.Type.Kind() == reflect.String && slices.Contains(secretNames, name)
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// isScalar reports whether a value of type t is written as one word.
func isScalar(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(textType) {
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Interface,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64:
		return true
	}
	return false
}

// isSection reports whether t is a struct of keys, or a pointer to one.
func isSection(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && !isScalar(t)
}

// A leaf is a key that holds a value: a scalar, a list or a map.
type leaf struct {
	key    string
	path   [][]int // field indexes from the root, one per section
	typ    reflect.Type
	secret bool
}

// variable is the environment variable of a key, "" for a key inside a list.
func (l leaf) variable() string {
	if strings.Contains(l.key, "[") {
		return ""
	}
	return variable(l.key)
}

func variable(key string) string {
	return "WEFT_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// leavesOf lists all leaves below a section, in order. The keys of the entries
// of a list of sections follow the list, written with [].
func leavesOf(t reflect.Type) []leaf { return appendLeaves(nil, t, "", nil) }

func appendLeaves(all []leaf, t reflect.Type, prefix string, path [][]int) []leaf {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for _, f := range fieldsOf(t) {
		key, path := prefix+f.name, append(slices.Clip(path), f.index)
		if isSection(f.typ) {
			all = appendLeaves(all, f.typ, key+".", path)
			continue
		}
		all = append(all, leaf{key: key, path: path, typ: f.typ, secret: f.secret})
		if f.typ.Kind() == reflect.Slice && isSection(f.typ.Elem()) {
			all = appendLeaves(all, f.typ.Elem(), key+"[].", nil)
		}
	}
	return all
}

// value is the leaf's place in root; sections that are not there yet are made.
func (l leaf) value(root reflect.Value) reflect.Value {
	v := root
	for _, index := range l.path {
		v = v.FieldByIndex(index)
		if v.Kind() == reflect.Pointer && isSection(v.Type()) {
			v = section(v)
		}
	}
	return v
}

// section follows the pointer to a section, which it makes when it is nil.
func section(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Pointer {
		return v
	}
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}
	return v.Elem()
}
