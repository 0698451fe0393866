// Package template is text with placeholders that a request fills: headers, keys and types,
// and the paths and subjects of targets.
//
//	{id}            a value of the pattern
//	{/sub}          a claim, by JSON Pointer (RFC 6901)
//	{user}          also {session}, {request_id}, {correlation}, {method}, {path}
//	{header:x}      the first header of that name, {query:x} the first parameter
//	{{              a brace
//
// Whatever the values are, what they make keeps its form: no header and no type has a control
// character, no value of a path leaves its segment, none of a subject its token.
package template

import (
	"errors"
	"strings"

	"weft/bridge/pointer"
)

// MaxFilled is the greatest length in bytes of what a template makes: a value may be named
// many times.
const MaxFilled = 64 << 10

// Values are what placeholders stand for in one request. Its methods may be called often
// and must be cheap.
type Values interface {
	// PathValue is the placeholder's value as it was sent, still escaped.
	PathValue(name string) (escaped string, ok bool)
	// Claim is the JSON value that a pointer, split into its tokens, leads to in the claims;
	// nil when there is none. Numbers are json.Number.
	Claim(tokens []string) any
	// Header and Query are the first values of those names. The name of a header is
	// canonical.
	Header(name string) (string, bool)
	Query(name string) (string, bool)
	// Known is one of user, session, request_id, correlation, method and path; "" is
	// missing.
	Known(name string) string
}

// ErrMissing is returned when a value is missing, or does not fit where it would stand.
var ErrMissing = errors.New("a value of the target is missing")

// A Template makes the value of a header, a key or a type. It is immutable.
type Template struct {
	text  string
	parts []part
}

// String is the template as it was written.
func (t *Template) String() string { return t.text }

// Text fills the template; ok is false when a value is missing. It may hold any byte.
func (t *Template) Text(v Values) (text string, ok bool) { return t.fill(v, "") }

// Header fills the template for a header: list claims are joined by ", ". ok is false when
// a value is missing, or when the header would hold a control character.
func (t *Template) Header(v Values) (text string, ok bool) {
	text, ok = t.fill(v, ", ")
	if !ok || HasControl(text) {
		return "", false
	}
	return text, true
}

// Line is Text for what must not hold a control character and not be empty: ok is false
// then.
func (t *Template) Line(v Values) (text string, ok bool) {
	text, ok = t.fill(v, "")
	if !ok || text == "" || HasControl(text) {
		return "", false
	}
	return text, true
}

// fill puts values between the literals. Without a separator a list must have one element.
func (t *Template) fill(v Values, separator string) (string, bool) {
	if len(t.parts) == 1 {
		text, ok := t.parts[0].value(v, separator)
		return text, ok && len(text) <= MaxFilled
	}
	var b strings.Builder
	for i := range t.parts {
		text, ok := t.parts[i].value(v, separator)
		if !ok || b.Len()+len(text) > MaxFilled {
			return "", false
		}
		b.WriteString(text)
	}
	return b.String(), true
}

// HasControl reports whether a text has a control character: of ASCII, or of the block that
// follows it (U+0080 to U+009F) in UTF-8.
func HasControl(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c == 0x7f:
			return true
		case c == 0xc2 && i+1 < len(s) && s[i+1] < 0xa0:
			return true
		}
	}
	return false
}

// list is a claim as text: of a list its scalars, joined; without a separator a list of
// other than one element is none.
func list(claim any, separator string) (string, bool) {
	many, ok := claim.([]any)
	if !ok {
		return pointer.Scalar(claim)
	}
	if len(many) == 1 {
		return pointer.Scalar(many[0])
	}
	if separator == "" {
		return "", false
	}
	texts := pointer.Scalars(claim)
	return strings.Join(texts, separator), len(texts) > 0
}
