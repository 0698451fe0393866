// Package pattern is which requests a route takes: patterns in the syntax of
// net/http.ServeMux, with a total order where ServeMux knows conflicts, and the index of
// all patterns in which a request finds its route.
//
// A pattern is [METHOD ][HOST]/[PATH]. Its path is text, {x} for one segment that is not
// empty, a rest {x...} for all that follows its slash, which may be nothing, {$} for the
// end after a slash, and a last slash for a rest without a name. Where several patterns
// match a request, the least in the order of Compare serves it: one with a host before one
// without; then, at the first segment in which they differ, text before {$} before {x}
// before a rest; then one with a method before one without.
//
// Paths are matched as they were sent: split at /, each segment decoded once and compared
// byte by byte. Nothing is cleaned and nothing is redirected; what a back end could take
// for a path outside the pattern is refused by ParsePath.
package pattern

import (
	"net/http"
	"net/url"
	"strings"
)

// Bounds of patterns.
const (
	// MaxBytes is the length of the longest pattern.
	MaxBytes = 1024
	// MaxSegments is the greatest number of segments: text and placeholders. {$} and a
	// last / are none.
	MaxSegments = 32
)

// A Pattern is [METHOD ][HOST]/[PATH]. It is immutable.
type Pattern struct {
	text         string
	method, host string
	segments     []segment
	names        []string
	key          string
}

// A kind is what a segment takes; the one that is less wins.
type kind int

const (
	literal kind = iota
	end          // {$}
	single       // {x}
	rest         // {x...}, or a last /
)

type segment struct {
	kind kind
	text string // of a literal, decoded
}

// String is the pattern as it was written.
func (p *Pattern) String() string { return p.text }

// Method is the pattern's; "" is every one. GET takes HEAD, too.
func (p *Pattern) Method() string { return p.method }

// Host is the pattern's, in lower case and without a port; "" is every one.
func (p *Pattern) Host() string { return p.host }

// Names are those of the placeholders, in order. It must not be changed.
func (p *Pattern) Names() []string { return p.names }

// Unnamed reports whether the pattern ends in a rest without a name: in a slash.
func (p *Pattern) Unnamed() bool { return strings.HasSuffix(p.text, "/") }

// Key is the same for patterns that differ in nothing but the names of placeholders, and
// in how text is escaped. It is itself a pattern, but for the missing names.
func (p *Pattern) Key() string { return p.key }

// makeKey spells the pattern in the one way that all its equals share.
func (p *Pattern) makeKey() string {
	var b strings.Builder
	if p.method != "" {
		b.WriteString(p.method + " ")
	}
	b.WriteString(p.host)
	for _, s := range p.segments {
		b.WriteByte('/')
		switch s.kind {
		case literal:
			b.WriteString(url.PathEscape(s.text)) // no brace and no slash is left
		case end:
			b.WriteString("{$}")
		case single:
			b.WriteString("{}")
		case rest:
			b.WriteString("{...}")
		}
	}
	return b.String()
}

// Compare orders patterns: of two that match a request, the one that is less serves it.
// It is 0 exactly when their keys are equal. Where no request tells two patterns apart the
// order has no meaning, but it is always the same.
func Compare(a, b *Pattern) int {
	if c := compareWildcard(a.host, b.host); c != 0 {
		return c
	}
	for i := range min(len(a.segments), len(b.segments)) {
		s, t := a.segments[i], b.segments[i]
		if s.kind != t.kind {
			return int(s.kind) - int(t.kind)
		}
		if c := strings.Compare(s.text, t.text); c != 0 {
			return c
		}
	}
	if c := len(a.segments) - len(b.segments); c != 0 {
		return c
	}
	if a.method != b.method && (a.method == http.MethodHead || b.method == http.MethodHead) {
		return compareHead(a.method, b.method)
	}
	return compareWildcard(a.method, b.method)
}

// compareWildcard puts "", which takes all, last.
func compareWildcard(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == "":
		return 1
	case b == "":
		return -1
	}
	return strings.Compare(a, b)
}

// compareHead puts HEAD first: GET, which takes it, too, and "" come after it.
func compareHead(a, b string) int {
	if a == http.MethodHead {
		return -1
	}
	return 1
}

// takesMethod reports whether a pattern with the method have takes requests with method.
func takesMethod(have, method string) bool {
	return have == method || have == "" || have == http.MethodGet && method == http.MethodHead
}
