package config

import (
	"reflect"
	"slices"
	"strings"
)

// A Key is one that holds a value: a scalar, a list or a map, and no section.
type Key struct {
	// Name is written as in the file; a key of the entries of a list of sections
	// has [] in it: node.users[].name.
	Name string
	// Secret says that the value is masked wherever it is printed.
	Secret bool

	path [][]int // field indexes from the root, one per section
	typ  reflect.Type
}

// Keys lists the keys of a struct, or of the one that is pointed to, in its order.
// The keys of the entries of a list of sections follow the list.
func Keys(of any) []Key { return keysOf(reflect.TypeOf(of)) }

func keysOf(t reflect.Type) []Key { return appendKeys(nil, t, "", nil) }

func appendKeys(all []Key, t reflect.Type, above string, path [][]int) []Key {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for _, f := range fieldsOf(t) {
		name, path := above+f.name, append(slices.Clip(path), f.index)
		if isSection(f.typ) {
			all = appendKeys(all, f.typ, name+".", path)
			continue
		}
		all = append(all, Key{Name: name, Secret: f.secret, path: path, typ: f.typ})
		if f.typ.Kind() == reflect.Slice && isSection(f.typ.Elem()) {
			all = appendKeys(all, f.typ.Elem(), name+"[].", nil)
		}
	}
	return all
}

// variablePrefix is what the names of our variables begin with.
const variablePrefix = "WEFT_"

// Variable is the environment variable of the key, "" for a key inside a list.
func (k Key) Variable() string {
	if strings.Contains(k.Name, "[") {
		return ""
	}
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_"))
}

// value is the key's place in root; sections that are not there yet are made.
func (k Key) value(root reflect.Value) reflect.Value {
	v := root
	for _, index := range k.path {
		v = v.FieldByIndex(index)
		if v.Kind() == reflect.Pointer && isSection(v.Type()) {
			v = section(v)
		}
	}
	return v
}
