package openapi

import (
	"net/http"

	"weft/edge/parameter"
	"weft/edge/problem"
	"weft/jetstream/event"
)

// A Schema is a JSON Schema (2020-12), for what no Go type says.
type Schema = map[string]any

// An Operation is what a method of a path takes and answers.
type Operation struct {
	// Method and Path are as the listener dispatches; the path has slots in braces.
	Method, Path string
	// ID names the operation, for tools that make functions of operations.
	ID string
	// Does is a sentence, and Says what there is to know beside it, in Markdown.
	Does, Says string
	// Takes is the query, as the listener reads it, and Means what the values are, those of the
	// slots too.
	Takes   parameter.List
	Means   map[string]Param
	Headers []Header
	// Bodies are those that the request may have; without BodyNeeded none will do.
	Bodies     []Body
	BodyNeeded bool
	Answers    []Answer
	// Fails are the codes of its problems beside those of all operations, Also those with another
	// status than is usual for them.
	Fails []problem.Code
	Also  []Refusal
	Token Token
}

// A Param is the value of a parameter or a header.
type Param struct {
	Schema Schema
	// Means is a sentence, in Markdown.
	Means string
	// Needed says that the parameter may not be left out; what stands in a path never may.
	Needed bool
	// Most is how often one that is repeatable may come; 0 says nothing.
	Most int
}

// A Header is one of a request or of an answer.
type Header struct {
	Name string
	Param
}

// A Body is a media type with what it holds: a Schema, or a value of the Go type that is read or
// written as JSON.
type Body struct {
	Type string
	Of   any
}

// JSON is a body of JSON.
func JSON(of any) []Body { return []Body{{"application/json", of}} }

// Anything is a body of whatever bytes, JSON among them: for each media type there is a schema
// that is not empty, which some tools pass over.
func Anything(says string) []Body {
	free := Schema{"description": says}
	return []Body{{"application/json", free}, {"application/octet-stream", Schema{"type": "string", "format": "binary", "description": says}}, {"*/*", free}}
}

// Text is one of plain text.
func Text() []Body { return []Body{{"text/plain", Schema{"type": "string"}}} }

// An Answer is one that is no problem.
type Answer struct {
	Status int
	// Says is a sentence.
	Says    string
	Bodies  []Body
	Headers []Header
}

// A Refusal is a problem of another status than is usual for its code.
type Refusal struct {
	Status int
	Code   problem.Code
}

// A Token says whether an operation asks for one.
type Token int

// Needed is an operation that is refused without a token; Optional one that serves others with it
// than without; Unread one that looks at none.
const (
	Needed Token = iota
	Optional
	Unread
)

// String is a parameter of text.
func String(means string) Param { return Param{Schema: Schema{"type": "string"}, Means: means} }

// NonEmpty is text of at least a byte.
func NonEmpty(means string) Param {
	return Param{Schema: Schema{"type": "string", "minLength": 1}, Means: means}
}

// Form is text of a form, a regular expression as in JSON Schema.
func Form(expr, means string) Param {
	return Param{Schema: Schema{"type": "string", "pattern": expr}, Means: means}
}

// Forms that several listeners know: what they leave out is refused, and not all that they have
// is good.
const (
	durationForm = `^([0-9.+-]+(ns|us|µs|μs|ms|s|m|h))*$|^[+]?[0-9]+$`
	topicForm    = `^[A-Za-z0-9_=-]+([.][A-Za-z0-9_=-]+)*$`
	subjectForm  = `^(user|topic)[.][A-Za-z0-9_=.-]+$`
	followForm   = `^(user|topic|presence)[.][A-Za-z0-9_=.*>-]+$`
	typeForm     = `^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$`
)

// Duration is one such as 90s or 1h30m; "" is as good as none.
func Duration(means string) Param { return Form(durationForm, means) }

// Topic is a topic, without its prefix.
func Topic(means string) Param { return Form(topicForm, means) }

// Subject is what an event may be published to, and Followed what may be followed.
func Subject(means string) Param { return Form(subjectForm, means) }

// Followed is a subject that may be followed, wildcards included.
func Followed(means string) Param { return Form(followForm, means) }

// EventType is the type of an event.
func EventType(means string) Param {
	p := Form(typeForm, means)
	p.Schema["maxLength"] = event.MaxTypeBytes
	return p
}

// Integer is a number from least to most; most 0 says nothing.
func Integer(least, most int, means string) Param {
	s := Schema{"type": "integer", "minimum": least}
	if most > 0 {
		s["maximum"] = most
	}
	return Param{Schema: s, Means: means}
}

// Flag is true or false.
func Flag(means string) Param { return Param{Schema: Schema{"type": "boolean"}, Means: means} }

// OneOf is one of some texts.
func OneOf(means string, values ...string) Param {
	return Param{Schema: Schema{"type": "string", "enum": values}, Means: means}
}

// Standard says what counts when the parameter is not there.
func (p Param) Standard(value any) Param {
	s := Schema{"default": value}
	for name, v := range p.Schema {
		s[name] = v
	}
	p.Schema = s
	return p
}

// Must says that the parameter may not be left out.
func (p Param) Must() Param {
	p.Needed = true
	return p
}

// Documents are the answers of Served, to a GET with the body.
func Documents(body bool) []Answer {
	tag := []Header{{"ETag", String("changes with the document")}}
	bodies := JSON(Schema{"type": "object"})
	if !body {
		bodies = nil
	}
	return []Answer{
		{Status: http.StatusOK, Says: "the document", Bodies: bodies, Headers: tag},
		{Status: http.StatusNotModified, Says: "`If-None-Match` has the tag of the document", Headers: tag},
	}
}
