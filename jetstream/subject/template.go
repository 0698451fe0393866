package subject

import (
	"errors"
	"fmt"
	"strings"

	"weft/bridge/pointer"
)

// MaxFanOut bounds how many subjects one template may expand to.
const MaxFanOut = 1000

var (
	// ErrMissing is wrapped by Expand when a placeholder has no value.
	ErrMissing = errors.New("no value")
	// ErrFanOut is wrapped by Expand when a list is longer than MaxFanOut.
	ErrFanOut = errors.New("too many values")
)

// A Template makes subjects out of the values of something: of an event or a
// record ("user.{/data/customer/id}", "topic.chat.{key}") or of a token's
// claims ("user.{/sub}"). A placeholder is a JSON Pointer (RFC 6901) or a name
// that the owner of the template knows, such as key or header:x. A list value
// fans out. Values are escaped, so that they can never add tokens or wildcards.
//
// A Template is immutable and may be used concurrently.
type Template struct {
	source string
	parts  []part
}

type part struct{ literal, name string } // exactly one is set

// ParseTemplate parses s. known reports whether a placeholder that is not a
// JSON Pointer means something; it may be nil.
func ParseTemplate(s string, known func(name string) bool) (*Template, error) {
	t := &Template{source: s}
	for rest := s; rest != ""; {
		lit, after, open := strings.Cut(rest, "{")
		if strings.Contains(lit, "}") {
			return nil, fmt.Errorf("template %q: } without {", s)
		}
		if lit != "" {
			t.parts = append(t.parts, part{literal: lit})
		}
		if !open {
			break
		}
		name, next, closed := strings.Cut(after, "}")
		if !closed {
			return nil, fmt.Errorf("template %q: { without }", s)
		}
		if err := checkPlaceholder(name, known); err != nil {
			return nil, fmt.Errorf("template %q: %w", s, err)
		}
		t.parts = append(t.parts, part{name: name})
		rest = next
	}
	if len(t.parts) == 0 {
		return nil, errors.New("template is empty")
	}
	return t, nil
}

// ParseSubjectTemplate is ParseTemplate for a template whose results must be
// subjects: it also tries the template with a plain value. With wild, literal
// wildcards are allowed.
func ParseSubjectTemplate(s string, wild bool, known func(name string) bool) (*Template, error) {
	t, err := ParseTemplate(s, known)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.name != "" {
			b.WriteString("x")
		} else {
			b.WriteString(p.literal)
		}
	}
	if err := check(b.String(), wild); err != nil {
		return nil, fmt.Errorf("template %q does not make a subject: %w", s, err)
	}
	return t, nil
}

func checkPlaceholder(name string, known func(string) bool) error {
	if strings.HasPrefix(name, "/") {
		if err := pointer.Check(name); err != nil {
			return fmt.Errorf("{%s} is no JSON Pointer: %w", name, err)
		}
		return nil
	}
	if known == nil || !known(name) {
		return fmt.Errorf("unknown placeholder {%s}; a JSON Pointer begins with /", name)
	}
	return nil
}

// String returns the template as written.
func (t *Template) String() string { return t.source }

// Names returns the placeholders in order.
func (t *Template) Names() []string {
	var names []string
	for _, p := range t.parts {
		if p.name != "" {
			names = append(names, p.name)
		}
	}
	return names
}

// Lookup returns the values of a placeholder: none when it is missing, several
// when it is a list.
type Lookup func(name string) []string

// Expand makes the subjects, each once. It fails with ErrMissing when a
// placeholder has no value, with ErrToken when a value is empty or too long,
// and with ErrFanOut beyond MaxFanOut.
func (t *Template) Expand(lookup Lookup) ([]string, error) {
	out := []string{""}
	for _, p := range t.parts {
		if p.name == "" {
			for i := range out {
				out[i] += p.literal
			}
			continue
		}
		values := lookup(p.name)
		if len(values) == 0 {
			return nil, fmt.Errorf("{%s}: %w", p.name, ErrMissing)
		}
		if len(out)*len(values) > MaxFanOut {
			return nil, fmt.Errorf("{%s}: %w: more than %d", p.name, ErrFanOut, MaxFanOut)
		}
		if len(values) == 1 {
			token, err := Escape(values[0])
			if err != nil {
				return nil, fmt.Errorf("{%s}: %w", p.name, err)
			}
			for i := range out {
				out[i] += token
			}
			continue
		}
		next := make([]string, 0, len(out)*len(values))
		for _, v := range values {
			token, err := Escape(v)
			if err != nil {
				return nil, fmt.Errorf("{%s}: %w", p.name, err)
			}
			for _, head := range out {
				next = append(next, head+token)
			}
		}
		out = next
	}
	return Distinct(out), nil
}

// Text fills the template without escaping; each placeholder must have exactly
// one value.
func (t *Template) Text(lookup Lookup) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.name == "" {
			b.WriteString(p.literal)
			continue
		}
		values := lookup(p.name)
		if len(values) == 0 {
			return "", fmt.Errorf("{%s}: %w", p.name, ErrMissing)
		}
		if len(values) > 1 {
			return "", fmt.Errorf("{%s}: %w: a list where one value is wanted", p.name, ErrFanOut)
		}
		b.WriteString(values[0])
	}
	return b.String(), nil
}
