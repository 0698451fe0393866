package openapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/edge/parameter"
	"weft/edge/problem"
)

type part[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

type thing struct {
	Name   string          `json:"name"`
	Made   time.Time       `json:"made,omitzero"`
	Count  *int            `json:"count,omitempty"`
	Inside json.RawMessage `json:"inside,omitempty"`
	Others []thing         `json:"others,omitempty"`
	_      string
}

type counted struct {
	part[thing]
	Total uint64 `json:"total"`
}

func operation() Operation {
	return Operation{
		Method: "GET", Path: "/things/{thing}", ID: "getThing", Does: "A thing.",
		Takes:   parameter.Once("limit").Many("tag"),
		Means:   map[string]Param{"thing": String("its name"), "limit": Integer(1, 9, "how many").Standard(3), "tag": NonEmpty("only these")},
		Answers: []Answer{{Status: http.StatusOK, Says: "it", Bodies: JSON(counted{})}},
		Fails:   []problem.Code{problem.NotFound},
	}
}

// dig is what stands below some names, nil when there is nothing.
func dig(v any, names ...string) any {
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func TestATypeIsDescribedAsItIsWritten(t *testing.T) {
	t.Parallel()
	text, err := Document(Listener{Title: "t", Tokens: []Scheme{Bearer}, TokenFails: []problem.Code{problem.TokenInvalid}}, []Operation{operation()})
	if err != nil {
		t.Fatal(err)
	}
	var d any
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	get := dig(d, "paths", "/things/{thing}", "get")
	if ref := dig(get, "responses", "200", "content", "application/json", "schema", "$ref"); ref != "#/components/schemas/Counted" {
		t.Errorf("the answer is %v", ref)
	}
	all := dig(d, "components", "schemas").(map[string]any)
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, []string{"Counted", "FieldError", "Problem", "Thing"}) {
		t.Errorf("there are %v", got)
	}
	told := func(of string) string { s, _ := json.Marshal(all[of]); return string(s) }
	if got, want := told("Thing"), `{"properties":{"count":{"type":"integer"},"inside":{},"made":{"format":"date-time","type":"string"},"name":{"type":"string"},`+
		`"others":{"items":{"$ref":"#/components/schemas/Thing"},"type":"array"}},"required":["name"],"type":"object"}`; got != want {
		t.Errorf("a thing is\n%s, want\n%s", got, want)
	}
	if got := told("Counted"); !strings.Contains(got, `"required":["items","next","total"]`) || !strings.Contains(got, `"items":{"$ref":"#/components/schemas/Thing"}`) {
		t.Errorf("a page is %s", got)
	}
	if got := slices.Sorted(maps.Keys(dig(get, "responses").(map[string]any))); !slices.Equal(got, []string{"200", "401", "404"}) {
		t.Errorf("it answers %v", got)
	}
	refused, _ := dig(get, "responses", "401", "$ref").(string)
	code := dig(d, "components", "responses", strings.TrimPrefix(refused, "#/components/responses/"), "content", "application/problem+json", "schema", "properties", "code", "enum")
	if got, _ := json.Marshal(code); string(got) != `["token_invalid","token_missing"]` {
		t.Errorf("it is refused with %s", got)
	}
	var takes []struct {
		Name, In string
		Required bool
		Schema   Schema
	}
	parameters, _ := json.Marshal(dig(get, "parameters"))
	if err := json.Unmarshal(parameters, &takes); err != nil || len(takes) != 3 {
		t.Fatalf("it takes %s: %v", parameters, err)
	}
	if in := takes[0]; in.Name != "thing" || in.In != "path" || !in.Required || in.Schema["type"] != "string" {
		t.Errorf("in the path it takes %+v", in)
	}
	if once := takes[1]; once.Name != "limit" || once.In != "query" || once.Required || once.Schema["default"] != 3.0 || once.Schema["maximum"] != 9.0 {
		t.Errorf("it takes once %+v", once)
	}
	if many := takes[2]; many.Name != "tag" || many.Schema["type"] != "array" || dig(many.Schema, "items", "minLength") != 1.0 {
		t.Errorf("it takes often %+v", many)
	}
}

func TestAParameterHasAMeaningAndAMeaningAParameter(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(o *Operation){
		"the parameter more has no meaning":      func(o *Operation) { o.Takes = o.Takes.And("more") },
		"there is no parameter less":             func(o *Operation) { o.Means["less"] = String("") },
		"what stands for {thing} has no meaning": func(o *Operation) { delete(o.Means, "thing") },
		"there is no parameter thing":            func(o *Operation) { o.Path = "/things" },
	} {
		o := operation()
		change(&o)
		if _, err := Document(Listener{}, []Operation{o}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s, got %v", want, err)
		}
	}
	if _, err := Document(Listener{}, []Operation{operation(), operation()}); err == nil {
		t.Error("an operation may be there twice")
	}
}

func TestATokenIsNoParameter(t *testing.T) {
	t.Parallel()
	o := operation()
	o.Takes = o.Takes.And("access_token")
	text, err := Document(Listener{Tokens: []Scheme{Query("access_token")}}, []Operation{o})
	if err != nil || strings.Count(string(text), `"access_token"`) != 1 {
		t.Errorf("%v: %s", err, text)
	}
}

// Tools pass over a media type whose schema is empty, and complain of an operation of which
// nobody says whether it asks for a token.
func TestToolsFindWhatTheyLookFor(t *testing.T) {
	t.Parallel()
	o := operation()
	o.Bodies, o.Token = Anything("a thing"), Unread
	text, err := Document(Listener{}, []Operation{o})
	if err != nil {
		t.Fatal(err)
	}
	var d any
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if list, ok := dig(d, "security").([]any); !ok || len(list) > 0 || dig(d, "info", "license", "identifier") != "Apache-2.0" {
		t.Errorf("it begins with %.200s", text)
	}
	for _, kind := range []string{"application/json", "application/octet-stream", "*/*"} {
		if dig(d, "paths", o.Path, "get", "requestBody", "content", kind, "schema", "description") != "a thing" {
			t.Errorf("%s has no schema: %s", kind, text)
		}
	}
}

func TestEachCodeIsRefusedWithItsStatus(t *testing.T) {
	t.Parallel()
	o := operation()
	o.Fails, o.Also = problem.Codes(), []Refusal{{http.StatusPreconditionFailed, problem.Conflict}}
	text, err := Document(Listener{}, []Operation{o})
	if err != nil {
		t.Fatal(err)
	}
	var d any
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	responses := dig(d, "paths", o.Path, "get", "responses").(map[string]any)
	for _, status := range []string{"400", "401", "403", "404", "409", "412", "413", "415", "422", "429", "500", "502", "503", "504"} {
		if responses[status] == nil {
			t.Errorf("there is no answer %s", status)
		}
	}
}
