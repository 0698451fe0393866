package openapi

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/swaggest/jsonschema-go"

	"weft/edge/problem"
)

const componentPrefix = "#/components/schemas/"

// schemas are the schemas of a document that have names: those of named Go types.
type schemas struct {
	reflector jsonschema.Reflector
	all       map[string]map[string]any
	err       error // of the first type that could not be described
}

func newSchemas() *schemas {
	return &schemas{all: map[string]map[string]any{}}
}

// named is a schema that has a name of its own, as JSON.
type named struct {
	name string
	text []byte
}

// Named is a schema that is there as JSON, under a name.
func Named(name string, text []byte) any { return named{name, text} }

// of describes a Go type, or takes a schema as it is.
func (s *schemas) of(v any) (map[string]any, error) {
	switch v := v.(type) {
	case Schema:
		return v, nil
	case named:
		var m map[string]any
		if err := json.Unmarshal(v.text, &m); err != nil {
			return nil, err
		}
		s.all[v.name] = m
		return Schema{"$ref": componentPrefix + v.name}, nil
	}
	made, err := s.reflector.Reflect(v,
		jsonschema.DefinitionsPrefix(componentPrefix), jsonschema.RootRef,
		jsonschema.CollectDefinitions(s.define),
		jsonschema.InterceptProp(require), jsonschema.InterceptDefName(nameOf),
	)
	if err == nil {
		err = s.err
	}
	if err != nil {
		return nil, err
	}
	return plain(made)
}

// define keeps the schema of a named type.
func (s *schemas) define(name string, made jsonschema.Schema) {
	m, err := plain(made)
	if err != nil {
		s.err = err
		return
	}
	s.all[name] = m
}

// plain is a schema as it stands in a document.
func plain(made jsonschema.Schema) (m map[string]any, err error) {
	text, err := json.Marshal(made)
	if err != nil {
		return nil, err
	}
	if err = json.Unmarshal(text, &m); err == nil {
		deny(m)
	}
	return m, err
}

// deny takes back that what can be nil in Go may be null, since lists are made, and other members
// left out; and that what is one of several forms is an object, as it is in Go.
func deny(m map[string]any) {
	if types, ok := m["type"].([]any); ok {
		types = slices.DeleteFunc(types, func(t any) bool { return t == "null" })
		if m["type"] = types; len(types) == 1 {
			m["type"] = types[0]
		}
	}
	if m["anyOf"] != nil {
		delete(m, "type")
	}
	for _, below := range m {
		if below, ok := below.(map[string]any); ok {
			deny(below)
		}
	}
}

// require lists a member that is always written: one without omitempty or omitzero.
func require(p jsonschema.InterceptPropParams) error {
	if !p.Processed || p.ParentSchema == nil {
		return nil
	}
	_, options, _ := strings.Cut(p.Field.Tag.Get("json"), ",")
	if !strings.Contains(options, "omit") {
		p.ParentSchema.Required = append(p.ParentSchema.Required, p.Name)
	}
	return nil
}

// nameOf is the name that a Go type has in a document: page[admin.userEntry] is UserEntryPage.
func nameOf(t reflect.Type, _ string) string {
	if t == reflect.TypeFor[problem.Body]() {
		return "Problem"
	}
	name, of, generic := strings.Cut(t.Name(), "[")
	if generic {
		of = strings.TrimRight(of, "]")
		name = title(of[strings.LastIndexAny(of, "./")+1:]) + title(name)
	}
	return title(name)
}

func title(name string) string {
	r := []rune(name)
	if len(r) > 0 {
		r[0] = unicode.ToUpper(r[0])
	}
	return string(r)
}

// problem is the schema of a problem with one of some codes.
func (s *schemas) problem(codes []problem.Code) (Schema, error) {
	base, err := s.of(problem.Body{})
	if err != nil {
		return nil, err
	}
	return Schema{"$ref": base["$ref"], "properties": Schema{"code": Schema{"enum": codes}}}, nil
}
