package config

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
