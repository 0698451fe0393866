package config

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"weft/config/suggestion"
)

// decode reads n into v. line is that of the key, or of the list entry.
func (d *document) decode(n ast.Node, v reflect.Value, key string, line int, secret bool) {
	n, err := d.resolve(n)
	if err != nil {
		d.add(d.at(line), key, err.Error())
		return
	}
	d.origins[key] = d.at(line)
	empty := n == nil || n.Type() == ast.NullType
	t := v.Type()
	switch {
	case t == jsonType:
		if !empty {
			d.decodeJSON(n, v, key, line)
		}
	case isSection(t):
		if !empty { // a section whose keys are all commented out is not there
			d.decodeSection(n, section(v), key, line)
		}
	case isScalar(t):
		d.decodeScalar(n, v, key, line, secret)
	case t.Kind() == reflect.Pointer && isScalar(t.Elem()):
		value := reflect.New(t.Elem())
		d.decodeScalar(n, value.Elem(), key, line, secret)
		v.Set(value)
	case t.Kind() == reflect.Slice:
		if !empty {
			d.decodeList(n, v, key, line, secret)
		}
	case t.Kind() == reflect.Map:
		if !empty {
			d.decodeMap(n, v, key, line, secret)
		}
	default:
		d.add(d.at(line), key, "cannot be set here")
	}
}

// entries lists the keys of a mapping; ok is false when n is something else.
func entries(n ast.Node) (values []*ast.MappingValueNode, ok bool) {
	switch x := n.(type) {
	case *ast.MappingNode:
		return x.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{x}, true
	}
	return nil, false
}

// each calls fn for the keys of a mapping, once for each name.
func (d *document) each(n ast.Node, key string, keyLine int, fn func(name string, value ast.Node, line int)) {
	values, ok := entries(n)
	if !ok {
		d.add(d.at(keyLine), key, "must be a section of keys, not "+kind(n))
		return
	}
	first := map[string]int{}
	for _, e := range values {
		at, name := line(e.Key), keyText(e.Key)
		if name == "<<" {
			d.add(d.at(at), join(key, name), "merge keys are not read here; write the keys out")
			continue
		}
		if before, ok := first[name]; ok {
			d.add(d.at(at), join(key, name), "is there twice; first in line "+strconv.Itoa(before))
			continue
		}
		first[name] = at
		fn(name, e.Value, at)
	}
}

func keyText(k ast.MapKeyNode) string {
	if s, ok := k.(*ast.StringNode); ok {
		return s.Value
	}
	return strings.TrimSpace(k.String())
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

func (d *document) decodeSection(n ast.Node, v reflect.Value, key string, keyLine int) {
	fields := fieldsOf(v.Type())
	d.each(n, key, keyLine, func(name string, value ast.Node, line int) {
		for _, f := range fields {
			if f.name == name {
				d.decode(value, v.FieldByIndex(f.index), join(key, name), line, f.secret)
				return
			}
		}
		d.add(d.at(line), join(key, name), "unknown key"+d.suggest(name, fields))
	})
}

// suggest says what an unknown key may be meant for: a key of the same
// section that is written alike, or one of that very name in another section.
func (d *document) suggest(name string, here []field) string {
	names := make([]string, len(here))
	for i, f := range here {
		names[i] = f.name
	}
	if s := suggestion.DidYouMean(name, names); s != "" {
		return s
	}
	for _, k := range keysOf(d.root.Type()) {
		if strings.HasSuffix(k.Name, "."+name) {
			return "; did you mean " + k.Name + "?"
		}
	}
	return ""
}

func (d *document) decodeScalar(n ast.Node, v reflect.Value, key string, line int, secret bool) {
	text, quoted, ok := scalarText(n)
	if !ok {
		d.add(d.at(line), key, "must be one value, not "+kind(n))
		return
	}
	if v.Kind() == reflect.Interface && quoted {
		v.Set(reflect.ValueOf(text))
		return
	}
	if err := setScalar(v, text, secret); err != nil {
		d.add(d.at(line), key, err.Error())
	}
}

// scalarText is the text of a scalar as it was written, so that 0123 and 1e3
// stay what they are where a string is wanted.
func scalarText(n ast.Node) (text string, quoted, ok bool) {
	switch x := n.(type) {
	case *ast.StringNode:
		return x.Value, x.Token.Value != strings.TrimSpace(x.Token.Origin), true
	case *ast.LiteralNode:
		return x.Value.Value, true, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, false, true
	}
	return "", false, false
}

// OneOrMany is a list of sections of which a single one may be written without the list.
type OneOrMany interface{ OneOrMany() }

func (d *document) decodeList(n ast.Node, v reflect.Value, key string, keyLine int, secret bool) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		if _, lone := entries(n); lone && v.Type().Implements(reflect.TypeFor[OneOrMany]()) {
			list := reflect.MakeSlice(v.Type(), 1, 1)
			d.decode(n, list.Index(0), key+"[0]", keyLine, secret)
			v.Set(list)
			return
		}
		d.add(d.at(keyLine), key, "must be a list, not "+kind(n)+"; write [a, b]")
		return
	}
	list := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, value := range seq.Values {
		entry := key + "[" + strconv.Itoa(i) + "]"
		if value == nil || value.Type() == ast.NullType {
			d.add(d.at(keyLine), entry, "is empty")
			continue
		}
		d.decode(value, list.Index(i), entry, line(value), secret)
	}
	v.Set(list)
}

func (d *document) decodeMap(n ast.Node, v reflect.Value, key string, keyLine int, secret bool) {
	out := reflect.MakeMap(v.Type())
	d.each(n, key, keyLine, func(name string, value ast.Node, line int) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.decode(value, item, join(key, name), line, secret)
		out.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), item)
	})
	v.Set(out)
}

// kind names what was found where something else is due.
func kind(n ast.Node) string {
	if n == nil {
		return "nothing"
	}
	switch n.Type() {
	case ast.NullType:
		return "nothing"
	case ast.SequenceType:
		return "a list"
	case ast.MappingType, ast.MappingValueType:
		return "a section of keys"
	}
	return "one value"
}
