// Package pattern is which requests a route takes: patterns in the syntax of
// net/http.ServeMux, with a total order where ServeMux knows conflicts, and the index of
// all patterns in which a request finds its route.
package pattern

import (
	"errors"
	"net/url"
	"strings"
)

// A Pattern is [METHOD ][HOST]/[PATH]. It is immutable.
type Pattern struct {
	text         string
	method, host string
	segments     []segment
	names        []string
}

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

// Parse reads a pattern. Its error says what is wrong.
func Parse(text string) (*Pattern, error) {
	p := &Pattern{text: text}
	at := text
	if method, after, ok := strings.Cut(text, " "); ok {
		p.method, at = method, after
	}
	slash := strings.IndexByte(at, '/')
	if slash < 0 {
		return nil, errors.New("has no path; it begins with /")
	}
	p.host = at[:slash]
	for part := range strings.SplitSeq(at[slash+1:], "/") {
		name, isName := strings.CutPrefix(part, "{")
		name, _ = strings.CutSuffix(name, "}")
		whole, isRest := strings.CutSuffix(name, "...")
		switch {
		case part == "":
			p.segments = append(p.segments, segment{kind: rest})
		case isName && name == "$":
			p.segments = append(p.segments, segment{kind: end})
		case isName && isRest:
			p.segments, p.names = append(p.segments, segment{kind: rest}), append(p.names, whole)
		case isName:
			p.segments, p.names = append(p.segments, segment{kind: single}), append(p.names, name)
		default:
			decoded, err := url.PathUnescape(part)
			if err != nil {
				return nil, errors.New("has a malformed escape")
			}
			p.segments = append(p.segments, segment{literal, decoded})
		}
	}
	return p, nil
}

// String is the pattern as it was written.
func (p *Pattern) String() string { return p.text }

// Method is the pattern's; "" is every one.
func (p *Pattern) Method() string { return p.method }

// Names are those of the placeholders, in order.
func (p *Pattern) Names() []string { return p.names }

// Key is the same for patterns that differ in nothing but the names of placeholders.
func (p *Pattern) Key() string { return p.text }

// Compare orders patterns: of two that match a request, the one that is less serves it.
// It is 0 when their keys are equal.
func Compare(a, b *Pattern) int { return strings.Compare(a.text, b.text) }
