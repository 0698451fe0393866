package pattern

import (
	"slices"
	"strings"
)

// An Index finds the route of a request. It is immutable; T is what is found.
type Index[T any] struct{ entries []Entry[T] }

// An Entry is a pattern with what is found by it.
type Entry[T any] struct {
	Pattern *Pattern
	Value   T
}

// NewIndex makes an index of patterns, of which no two have the same key.
func NewIndex[T any](entries []Entry[T]) *Index[T] {
	sorted := slices.Clone(entries)
	slices.SortFunc(sorted, func(a, b Entry[T]) int { return Compare(a.Pattern, b.Pattern) })
	return &Index[T]{sorted}
}

// Match finds what serves a request: the value of the first pattern, in the order of
// Compare, that matches method, host and path, and the values of its placeholders as they
// were sent. The host may have any case and a port.
func (x *Index[T]) Match(method, host string, path *Path) (found T, values []string, ok bool) {
	for _, e := range x.entries {
		if e.Pattern.method != "" && e.Pattern.method != method {
			continue
		}
		if values, ok = e.Pattern.match(path); ok {
			return e.Value, values, true
		}
	}
	return found, nil, false
}

// Methods are those with which patterns match host and path, sorted; any reports that a
// pattern matches with every method.
func (x *Index[T]) Methods(host string, path *Path) (methods []string, any bool) {
	for _, e := range x.entries {
		if _, ok := e.Pattern.match(path); !ok {
			continue
		}
		if e.Pattern.method == "" {
			return nil, true
		}
		methods = append(methods, e.Pattern.method)
	}
	slices.Sort(methods)
	return slices.Compact(methods), false
}

func (p *Pattern) match(path *Path) (values []string, ok bool) {
	for i, s := range p.segments {
		switch {
		case s.kind == rest:
			if i > len(path.raw) {
				return nil, false
			}
			if len(p.names) > len(values) {
				values = append(values, strings.Join(path.raw[i:], "/"))
			}
			return values, true
		case i >= len(path.raw):
			return nil, false
		case s.kind == end:
			return values, path.raw[i] == "" && i == len(path.raw)-1
		case s.kind == single:
			if path.raw[i] == "" {
				return nil, false
			}
			values = append(values, path.raw[i])
		case path.decoded[i] != s.text:
			return nil, false
		}
	}
	return values, len(p.segments) == len(path.raw)
}
