// Package openapi describes a listener in OpenAPI 3.1: its paths, what each takes, and all that
// it may answer, for tools that make clients, pages or tests of that.
//
// Nothing is written down twice. The operations come from the table by which the listener
// dispatches, with the parameters that it reads; bodies are described by the Go types that they are
// read into and written from; and problems by the codes of package problem. What is left to say
// are sentences, and the bounds of values that are no Go type.
package openapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/swaggest/openapi-go/openapi31"

	"weft/edge/problem"
)

// Version is the version of the interface, as it stands in its paths, and not of the program:
// that is for operators to know.
const Version = "1"

// Path is where both listeners serve their documents.
const Path = "/_weft/v1/openapi.json"

// A Listener is what holds for all operations together.
type Listener struct {
	Title string
	// Says is a text in Markdown.
	Says string
	// Tokens says how a request may bring a token, in the order of preference. Without any
	// there are no tokens.
	Tokens []Scheme
	// Fails are the codes that each operation may be refused with, Also those with another
	// status than is usual for them, and TokenFails those of each that looks at a token.
	Fails, TokenFails []problem.Code
	Also              []Refusal
}

// A Scheme is a way to bring a token.
type Scheme struct {
	Name, In, Field, Means string
}

// Bearer is the header Authorization.
var Bearer = Scheme{Name: "bearer", Means: "`Authorization: Bearer <token>`"}

// Cookie is a cookie of a name, and Query a parameter of one.
func Cookie(field string) Scheme {
	return Scheme{"cookie", "cookie", field, "the cookie `" + field + "`; what changes something then must come from the same origin or a permitted one"}
}

// Query is a parameter that holds the token.
func Query(field string) Scheme {
	return Scheme{"query", "query", field, "the parameter `" + field + "`"}
}

// Document makes the document, as JSON. An error is one of the operations: a parameter without
// a meaning, or a meaning without a parameter.
func Document(l Listener, operations []Operation) ([]byte, error) {
	b := newBuilder(&l)
	for i := range operations {
		if err := b.add(&operations[i]); err != nil {
			return nil, fmt.Errorf("describe %s %s: %w", operations[i].Method, operations[i].Path, err)
		}
	}
	b.spec.Components.Schemas = b.schemas.all
	text, err := json.Marshal(b.spec)
	if err != nil {
		return nil, err
	}
	// Where an operation says nothing of tokens there are none: to linters that is a default,
	// which the type of the document leaves out.
	return append([]byte(`{"security":[],`), text[1:]...), nil
}

// A builder makes one document.
type builder struct {
	listener *Listener
	spec     *openapi31.Spec
	schemas  *schemas
}

func newBuilder(l *Listener) *builder {
	spec := &openapi31.Spec{Openapi: "3.1.0", Info: openapi31.Info{Title: l.Title, Version: Version, Description: &l.Says}}
	spec.Info.License = (&openapi31.License{Name: "Apache License 2.0"}).WithIdentifier("Apache-2.0")
	spec.Servers = []openapi31.Server{{URL: "/"}}
	spec.Components = &openapi31.Components{}
	for _, s := range l.Tokens {
		spec.ComponentsEns().WithSecuritySchemesItem(s.Name, openapi31.SecuritySchemeOrReference{SecurityScheme: s.scheme()})
	}
	return &builder{l, spec, newSchemas()}
}

func (s Scheme) scheme() *openapi31.SecurityScheme {
	made := &openapi31.SecurityScheme{Description: &s.Means}
	if s.In == "" {
		return made.WithHTTPBearer(openapi31.SecuritySchemeHTTPBearer{Scheme: "bearer"})
	}
	return made.WithAPIKey(openapi31.SecuritySchemeAPIKey{Name: s.Field, In: openapi31.SecuritySchemeAPIKeyIn(s.In)})
}

// add describes one operation.
func (b *builder) add(o *Operation) error {
	parameters, err := b.parameters(o)
	if err != nil {
		return err
	}
	op := openapi31.Operation{ID: &o.ID, Summary: &o.Does, Parameters: parameters, Security: b.security(o)}
	if o.Says != "" {
		op.Description = &o.Says
	}
	if len(o.Bodies) > 0 {
		content, err := b.content(o.Bodies)
		if err != nil {
			return err
		}
		op.WithRequestBody(openapi31.RequestBodyOrReference{RequestBody: &openapi31.RequestBody{Content: content, Required: &o.BodyNeeded}})
	}
	answers, err := b.answers(o)
	if err != nil {
		return err
	}
	op.WithResponses(openapi31.Responses{MapOfResponseOrReferenceValues: answers})
	return b.spec.AddOperation(o.Method, o.Path, op)
}

// security lists the ways to bring a token, and none at all where that will do.
func (b *builder) security(o *Operation) []map[string][]string {
	all := []map[string][]string{}
	if o.Token == Unread {
		return all
	}
	for _, s := range b.listener.Tokens {
		all = append(all, map[string][]string{s.Name: {}})
	}
	if o.Token == Optional && len(all) > 0 {
		all = append(all, map[string][]string{})
	}
	return all
}

// parameters are those of path, query and header.
func (b *builder) parameters(o *Operation) ([]openapi31.ParameterOrReference, error) {
	var all []openapi31.ParameterOrReference
	add := func(name string, in openapi31.ParameterIn, p Param, needed bool) {
		made := openapi31.Parameter{Name: name, In: in, Schema: p.Schema, Description: &p.Means}
		if needed {
			made.Required = &needed
		}
		all = append(all, made.ToParameterOrRef())
	}
	for _, name := range o.slots() {
		p, ok := o.Means[name]
		if !ok {
			return nil, fmt.Errorf("what stands for {%s} has no meaning", name)
		}
		add(name, openapi31.ParameterInPath, p, true)
	}
	once, many := o.Takes.Names()
	for _, name := range slices.Concat(once, many) {
		if b.isToken(name) {
			continue
		}
		p, ok := o.Means[name]
		if !ok {
			return nil, fmt.Errorf("the parameter %s has no meaning", name)
		}
		if slices.Contains(many, name) {
			p.Schema = Schema{"type": "array", "items": p.Schema}
			if p.Most > 0 {
				p.Schema["maxItems"] = p.Most
			}
		}
		add(name, openapi31.ParameterInQuery, p, p.Needed)
	}
	known := slices.Concat(o.slots(), once, many)
	for name := range o.Means {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no parameter %s", name)
		}
	}
	for _, h := range o.Headers {
		add(h.Name, openapi31.ParameterInHeader, h.Param, false)
	}
	return all, nil
}

// isToken reports whether a parameter is a way to bring a token.
func (b *builder) isToken(name string) bool {
	return slices.ContainsFunc(b.listener.Tokens, func(s Scheme) bool { return s.In == "query" && s.Field == name })
}

// slots are the names in braces of the path.
func (o *Operation) slots() (names []string) {
	for part := range strings.SplitSeq(o.Path, "{") {
		if name, _, ok := strings.Cut(part, "}"); ok {
			names = append(names, name)
		}
	}
	return names
}

// content is what a body may be, by its media type.
func (b *builder) content(bodies []Body) (map[string]openapi31.MediaType, error) {
	all := map[string]openapi31.MediaType{}
	for _, body := range bodies {
		schema, err := b.schemas.of(body.Of)
		if err != nil {
			return nil, err
		}
		all[body.Type] = openapi31.MediaType{Schema: schema}
	}
	return all, nil
}

// answers are what an operation answers and how it fails.
func (b *builder) answers(o *Operation) (map[string]openapi31.ResponseOrReference, error) {
	all := map[string]openapi31.ResponseOrReference{}
	for _, a := range o.Answers {
		content, err := b.content(a.Bodies)
		if err != nil {
			return nil, err
		}
		made := &openapi31.Response{Description: a.Says}
		if len(content) > 0 {
			made.Content = content
		}
		for _, h := range a.Headers {
			made.WithHeadersItem(h.Name, header(h.Means, h.Schema))
		}
		all[fmt.Sprint(a.Status)] = openapi31.ResponseOrReference{Response: made}
	}
	for status, codes := range b.refusals(o) {
		shared, err := b.refusal(status, codes)
		if err != nil {
			return nil, err
		}
		all[fmt.Sprint(status)] = shared
	}
	return all, nil
}

// refusal is an answer that several operations share: a problem with one of some codes.
func (b *builder) refusal(status int, codes []problem.Code) (shared openapi31.ResponseOrReference, err error) {
	name := fmt.Sprint(status, ".", strings.Join(names(codes), "-or-"))
	shared.SetReference("#/components/responses/" + name)
	if _, ok := b.spec.Components.Responses[name]; ok {
		return shared, nil
	}
	schema, err := b.schemas.problem(codes)
	if err != nil {
		return shared, err
	}
	made := &openapi31.Response{
		Description: http.StatusText(status) + ": `" + strings.Join(names(codes), "`, `") + "`",
		Content:     map[string]openapi31.MediaType{problemType: {Schema: schema}},
	}
	switch status {
	case http.StatusUnauthorized:
		made.WithHeadersItem("WWW-Authenticate", header("how to bring a token", Schema{"type": "string"}))
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		made.WithHeadersItem("Retry-After", header("for how many seconds to wait; it may be missing", Schema{"type": "integer", "minimum": 1}))
	}
	b.spec.Components.WithResponsesItem(name, openapi31.ResponseOrReference{Response: made})
	return shared, nil
}

const problemType = "application/problem+json"

func header(means string, schema Schema) openapi31.HeaderOrReference {
	return openapi31.HeaderOrReference{Header: &openapi31.Header{Description: &means, Schema: schema}}
}

// refusals are the codes of an operation by their status.
func (b *builder) refusals(o *Operation) map[int][]problem.Code {
	all := map[int][]problem.Code{}
	add := func(status int, code problem.Code) {
		if !slices.Contains(all[status], code) {
			all[status] = append(all[status], code)
			slices.Sort(all[status])
		}
	}
	codes := slices.Concat(b.listener.Fails, o.Fails)
	if o.Token != Unread && len(b.listener.Tokens) > 0 {
		codes = append(codes, b.listener.TokenFails...)
		if o.Token == Needed {
			codes = append(codes, problem.TokenMissing)
		}
	}
	for _, code := range codes {
		add(problem.New(code, "").Status, code)
	}
	for _, r := range slices.Concat(b.listener.Also, o.Also) {
		add(r.Status, r.Code)
	}
	return all
}

func names(codes []problem.Code) (list []string) {
	for _, c := range codes {
		list = append(list, string(c))
	}
	return list
}
