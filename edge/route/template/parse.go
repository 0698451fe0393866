package template

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"weft/bridge/pointer"
	"weft/config/suggestion"
)

// A Scope is where a template stands: it says which placeholders there may be.
type Scope struct {
	// Names are the placeholders of the pattern.
	Names []string
	// Rest is that of them which stands for the rest of the path; it may hold slashes.
	Rest string
	// AnyName takes each name for one of the pattern, which could not be read.
	AnyName bool
	// Claims permits {/claim}, {user} and {session}.
	Claims bool
}

type kind uint8

const (
	literal kind = iota
	pathValue
	claim
	header
	query
	known
)

// A part is a literal or a placeholder.
type part struct {
	kind   kind
	text   string   // the literal, or the name
	tokens []string // of a claim
	rest   bool     // of a value of the pattern that may hold slashes
}

// The names that stand for something in every request; the first two need a token.
var knownNames = []string{"user", "session", "request_id", "correlation", "method", "path"}

// Parse reads a template. Its error says what is wrong.
func Parse(text string, in Scope) (*Template, error) {
	t := &Template{text: text}
	parts, err := split(text, true)
	if err != nil {
		return nil, err
	}
	for i := range parts {
		if err := parts[i].resolve(in); err != nil {
			return nil, err
		}
	}
	if t.parts = parts; len(parts) == 0 {
		t.parts = []part{{}}
	}
	return t, nil
}

// split cuts text into literals and placeholders, which are not looked at: known is their
// kind until they are. Only with escapes {{ is a brace.
func split(text string, escapes bool) ([]part, error) {
	var parts []part
	var pending []byte
	for {
		before, after, open := strings.Cut(text, "{")
		if open && escapes && strings.HasPrefix(after, "{") {
			pending = append(append(pending, before...), '{')
			text = after[1:]
			continue
		}
		if pending != nil {
			before = string(append(pending, before...))
			pending = nil
		}
		if before != "" {
			parts = append(parts, part{text: before})
		}
		if !open {
			return parts, nil
		}
		name, rest, closed := strings.Cut(after, "}")
		if !closed {
			if !escapes {
				return nil, errors.New("{ without }")
			}
			return nil, errors.New("{ without }; a brace itself is {{")
		}
		parts = append(parts, part{kind: known, text: name})
		text = rest
	}
}

// resolve finds out what a placeholder is.
func (p *part) resolve(in Scope) error {
	if p.kind == literal {
		return nil
	}
	switch name, special, _ := strings.Cut(p.text, ":"); {
	case strings.HasPrefix(p.text, "/"):
		return p.claim(in)
	case name == "header" && name != p.text:
		return p.header(special)
	case name == "query" && name != p.text:
		if special == "" {
			return errors.New("{query:} names no parameter")
		}
		p.kind, p.text = query, special
		return nil
	case slices.Contains(knownNames, p.text):
		return p.known(in)
	}
	return p.pathValue(in, knownNames)
}

func (p *part) claim(in Scope) error {
	tokens, err := pointer.Split(p.text)
	if err != nil {
		return fmt.Errorf("{%s} is no JSON Pointer: %w", p.text, pointer.Check(p.text))
	}
	if !in.Claims {
		return fmt.Errorf("{%s} is a claim, which needs mode token or optional", p.text)
	}
	p.kind, p.tokens = claim, tokens
	return nil
}

func (p *part) header(name string) error {
	if !IsToken(name) {
		return fmt.Errorf("{%s} names no header", p.text)
	}
	p.kind, p.text = header, http.CanonicalHeaderKey(name)
	if strings.HasPrefix(strings.ReplaceAll(p.text, "_", "-"), "Weft-") {
		return fmt.Errorf("{header:%s} is Weft's own, and none that a client may send", name)
	}
	return nil
}

func (p *part) known(in Scope) error {
	switch {
	case slices.Contains(in.Names, p.text):
		return fmt.Errorf("{%s} has two meanings; give the placeholder of the pattern another name", p.text)
	case !in.Claims && (p.text == knownNames[0] || p.text == knownNames[1]):
		return fmt.Errorf("{%s} is of a token, which needs mode token or optional", p.text)
	}
	return nil
}

// pathValue is a placeholder of the pattern; others are those that could have been meant.
func (p *part) pathValue(in Scope, others []string) error {
	if !in.AnyName && !slices.Contains(in.Names, p.text) {
		if whole, ok := strings.CutSuffix(p.text, "..."); ok && slices.Contains(in.Names, whole) {
			return fmt.Errorf("{%s} is not in the pattern; the rest is {%s} here", p.text, whole)
		}
		hint := ""
		if near := suggestion.Nearest(p.text, append(slices.Clone(in.Names), others...)); near != "" && len(p.text) > 2 {
			hint = "; did you mean {" + near + "}?"
		}
		return fmt.Errorf("{%s} is not in the pattern%s", p.text, hint)
	}
	p.kind, p.rest = pathValue, p.text == in.Rest
	return nil
}

// value is what the part stands for, unescaped.
func (p *part) value(v Values, separator string) (string, bool) {
	switch p.kind {
	case literal:
		return p.text, true
	case pathValue:
		escaped, ok := v.PathValue(p.text)
		if !ok {
			return "", false
		}
		text, err := url.PathUnescape(escaped)
		return text, err == nil
	case claim:
		return list(v.Claim(p.tokens), separator)
	case header:
		return v.Header(p.text)
	case query:
		return v.Query(p.text)
	}
	text := v.Known(p.text)
	return text, text != ""
}

// IsToken reports whether s is a token of HTTP, which the names of headers are (RFC 9110
// section 5.6.2).
func IsToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
				return false
			}
		}
	}
	return s != ""
}
