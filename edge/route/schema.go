package route

import (
	"encoding/json"
	"strings"
	"sync"
)

// Schema is the JSON Schema (2020-12) of a document. Whatever Parse takes it accepts; it
// cannot say all that Parse refuses: what depends on the pattern, or how long a duration is.
// It must not be changed.
var Schema = sync.OnceValue(func() []byte {
	s := documentFields.schema("")
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "A route of Weft"
	s["oneOf"] = []object{{"required": []string{"target"}}, {"required": []string{"targets"}}}
	s["allOf"] = []object{
		forTarget("^nats://", documentFields.only(NATS)),
		forTarget("^kafka://", documentFields.only(Kafka)),
		forTarget("^(https?|h2c)://", documentFields.only(HTTP)),
		{"if": object{"properties": object{"auth": object{"properties": object{"mode": object{"enum": []AuthMode{AuthOptional, AuthNone}}}, "required": []string{"mode"}}},
			"required": []string{"auth"}},
			"then": object{"properties": object{
				"auth": object{"properties": object{"require": false}},
				"rate": object{"properties": object{"per": object{"not": object{"const": PerUser}}}}}}},
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	return text
})

type object = map[string]any

// forTarget is what holds besides for targets that match.
func forTarget(expr string, then object) object {
	one := object{"type": "string", "pattern": expr}
	return object{
		"if": object{"anyOf": []object{
			{"properties": object{"target": one}, "required": []string{"target"}},
			{"properties": object{"targets": object{"type": "array", "contains": one}}, "required": []string{"targets"}},
		}},
		"then": then,
	}
}

// only says of members that are not for a scheme, or are bounded otherwise, what they are.
func (f *field) only(s Scheme) object {
	properties := object{}
	for _, m := range f.members {
		switch {
		case !m.takes.has(s):
			properties[m.name] = false
		case m.messages != nil && m.kind == size && !s.IsHTTP():
			properties[m.name] = m.schema(s)
		case m.kind == section:
			if below := m.only(s); len(below) > 0 {
				properties[m.name] = below
			}
		}
	}
	if len(properties) == 0 {
		return object{}
	}
	return object{"properties": properties}
}

// schema is that of a value.
func (f *field) schema(s Scheme) object {
	o := object{}
	switch f.kind {
	case text:
		f.textSchema(o)
	case flag:
		o["type"] = "boolean"
	case number:
		o["type"], o["minimum"], o["maximum"] = "integer", f.least, f.most
	case duration:
		o["type"], o["pattern"] = "string", durationExpr
	case size:
		f.sizeSchema(o, s)
	case list:
		o["type"], o["items"], o["maxItems"] = "array", f.each.schema(s), f.most
		if f.least > 0 {
			o["minItems"] = f.least
		}
	case mapping:
		o["type"], o["additionalProperties"], o["maxProperties"] = "object", f.each.schema(s), f.most
		if f.least > 0 {
			o["minProperties"] = f.least
		}
		names := object{}
		f.keys.schema(names)
		o["propertyNames"] = names
	case section:
		f.sectionSchema(o, s)
	}
	if f.means != "" && s == "" {
		o["description"] = plain(f.means)
	}
	if f.standard != "" && f.messages == nil && s == "" {
		o["default"] = f.standardValue()
	}
	return o
}

func (f *field) textSchema(o object) {
	o["type"] = "string"
	if f.least > 0 {
		o["minLength"] = f.least
	}
	if f.most > 0 { // there are never more letters than bytes
		o["maxLength"] = f.most
	}
	if f.one != nil {
		o["enum"] = f.one
	}
	if f.form != nil {
		f.form.schema(o)
	}
}

func (f *form) schema(o object) {
	o["pattern"] = f.expr
	if f.not != "" {
		o["not"] = object{"pattern": f.not}
	}
}

func (f *field) sizeSchema(o object, s Scheme) {
	number := object{"type": "integer", "minimum": 0}
	if most := f.mostOf(s); most != unlimited {
		number["maximum"] = most
		o["anyOf"] = []object{{"type": "string", "pattern": sizeExpr}, number}
		return
	}
	o["anyOf"] = []object{{"type": "string", "pattern": sizeExpr}, number, {"const": none}}
}

func (f *field) sectionSchema(o object, s Scheme) {
	properties, required := object{}, []string{}
	for _, m := range f.members {
		properties[m.name] = m.schema(s)
		if m.required {
			required = append(required, m.name)
		}
	}
	o["type"], o["properties"], o["additionalProperties"] = "object", properties, false
	if len(required) > 0 {
		o["required"] = required
	}
}

// The forms of durations and sizes.
const (
	durationExpr = `^[+]?(([0-9]+([.][0-9]*)?|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`
	sizeExpr     = `^[0-9]+([KMGT]i?B|B)?$`
)

// standardValue is the default as a value of JSON.
func (f *field) standardValue() any {
	if f.kind == flag {
		return f.standard == "true"
	}
	return f.standard
}

// plain is a meaning without the marks of Markdown.
func plain(s string) string {
	for {
		before, after, ok := strings.Cut(s, "](")
		if !ok {
			return strings.NewReplacer("`", "", "[", "").Replace(s)
		}
		_, rest, _ := strings.Cut(after, ")")
		s = before + rest
	}
}
