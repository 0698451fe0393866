// Package template is text with placeholders that a request fills: headers, keys and types,
// and the paths and subjects of targets.
package template

import "errors"

// Values are what placeholders stand for in one request. Its methods may be called often
// and must be cheap.
type Values interface {
	// PathValue is the placeholder's value as it was sent, still escaped.
	PathValue(name string) (escaped string, ok bool)
	// Claim is the JSON value that a pointer, split into its tokens, leads to in the claims;
	// nil when there is none. Numbers are json.Number.
	Claim(tokens []string) any
	// Header and Query are the first values of those names.
	Header(name string) (string, bool)
	Query(name string) (string, bool)
	// Known is one of user, session, request_id, correlation, method and path; "" is
	// missing.
	Known(name string) string
}

// A Scope is where a template stands: it says which placeholders there may be.
type Scope struct {
	// Names are the placeholders of the pattern.
	Names []string
	// Claims permits {/claim}, {user} and {session}.
	Claims bool
}

// A Template makes the value of a header, a key or a type. It is immutable.
type Template struct{ text string }

// Parse reads a template. Its error says what is wrong.
func Parse(text string, in Scope) (*Template, error) { return &Template{text}, nil }

// String is the template as it was written.
func (t *Template) String() string { return t.text }

// Text fills the template; ok is false when a value is missing.
func (t *Template) Text(v Values) (text string, ok bool) { return t.text, true }

// Header fills the template for a header: list claims are joined by ", ". ok is false when
// a value is missing, or when the header would hold a control character.
func (t *Template) Header(v Values) (text string, ok bool) { return t.text, true }

// A Target makes the path or the subject of a target. It is immutable.
type Target struct{ text string }

// ParsePath reads the path of an HTTP target, which begins with /.
func ParsePath(text string, in Scope) (*Target, error) { return &Target{text}, nil }

// ParseSubject reads the subject of a NATS target.
func ParseSubject(text string, in Scope) (*Target, error) { return &Target{text}, nil }

// String is the target as it was written.
func (t *Target) String() string { return t.text }

// ErrMissing is returned when a value is missing, or does not fit where it would stand.
var ErrMissing = errors.New("a value of the target is missing")

// Path fills the path with values as they were sent: still escaped.
func (t *Target) Path(v Values) (string, error) { return t.text, nil }

// Subject fills the subject: each value is one escaped token, each segment of a rest, too.
func (t *Target) Subject(v Values) (string, error) { return t.text, nil }
