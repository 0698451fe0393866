package pattern

import (
	"net/http"
	"slices"
)

// An Index finds the route of a request. It is immutable; T is what is found.
//
// It is a tree: of hosts, and below each of segments. A request tries the branches in the
// order of Compare and goes back where one does not end in a match, so the first that it
// finds is the first in that order. Each node stands for one segment of the path, so a
// request visits each at most once.
type Index[T any] struct{ hosts map[string]*node[T] }

// An Entry is a pattern with what is found by it.
type Entry[T any] struct {
	Pattern *Pattern
	Value   T
}

// A node is what comes at one segment of the path.
type node[T any] struct {
	texts  map[string]*node[T]
	single *node[T]
	here   []leaf[T] // patterns that end before this segment
	end    []leaf[T] // {$}
	rest   []leaf[T]
}

// A leaf is the end of a pattern. Those that differ in their methods only are together,
// in the order of Compare.
type leaf[T any] struct {
	method string
	values []int // segments of the placeholders
	rest   bool  // the last of values is all that follows
	value  T
}

// NewIndex makes an index of patterns, of which no two have the same key: the second would
// never be found.
func NewIndex[T any](entries []Entry[T]) *Index[T] {
	sorted := slices.Clone(entries)
	slices.SortStableFunc(sorted, func(a, b Entry[T]) int { return Compare(a.Pattern, b.Pattern) })
	x := &Index[T]{hosts: map[string]*node[T]{}}
	for _, e := range sorted {
		root := x.hosts[e.Pattern.host]
		if root == nil {
			root = &node[T]{}
			x.hosts[e.Pattern.host] = root
		}
		root.add(e)
	}
	return x
}

func (n *node[T]) add(e Entry[T]) {
	l := leaf[T]{method: e.Pattern.method, value: e.Value}
	for i, s := range e.Pattern.segments {
		switch s.kind {
		case literal:
			child := n.texts[s.text]
			if child == nil {
				if n.texts == nil {
					n.texts = map[string]*node[T]{}
				}
				child = &node[T]{}
				n.texts[s.text] = child
			}
			n = child
		case end:
			n.end = append(n.end, l)
			return
		case single:
			l.values = append(l.values, i)
			if n.single == nil {
				n.single = &node[T]{}
			}
			n = n.single
		case rest:
			if l.rest = len(l.values) < len(e.Pattern.names); l.rest {
				l.values = append(l.values, i)
			}
			n.rest = append(n.rest, l)
			return
		}
	}
	n.here = append(n.here, l)
}

// Match finds what serves a request: the value of the first pattern, in the order of
// Compare, that matches method, host and path, and the values of its placeholders as they
// were sent. The host may have any case and a port. Nothing but values is allocated.
func (x *Index[T]) Match(method, host string, path *Path) (found T, values []string, ok bool) {
	visit := func(l *leaf[T]) bool { return takesMethod(l.method, method) }
	l := x.visit(host, path, visit)
	if l == nil {
		return found, nil, false
	}
	if len(l.values) > 0 {
		values = make([]string, len(l.values))
		for i, at := range l.values {
			values[i] = path.segment(at)
		}
		if l.rest {
			values[len(values)-1] = path.from(l.values[len(values)-1])
		}
	}
	return l.value, values, true
}

// Methods are those with which patterns match host and path, sorted, HEAD with GET; every
// reports that a pattern matches with every method. Both are empty when no pattern
// matches.
func (x *Index[T]) Methods(host string, path *Path) (methods []string, every bool) {
	x.visit(host, path, func(l *leaf[T]) bool {
		switch l.method {
		case "":
			every = true
		case http.MethodGet:
			methods = append(methods, http.MethodGet, http.MethodHead)
		default:
			methods = append(methods, l.method)
		}
		return every
	})
	if every {
		return nil, true
	}
	slices.Sort(methods)
	return slices.Compact(methods), false
}

// visit calls f with the leaves that match host and path, in the order of Compare, until
// it is true, and returns that one.
func (x *Index[T]) visit(host string, path *Path, f func(*leaf[T]) bool) *leaf[T] {
	if host = canonicalHost(host); host != "" {
		if n := x.hosts[host]; n != nil {
			if l := n.visit(path.parts, f); l != nil {
				return l
			}
		}
	}
	if n := x.hosts[""]; n != nil {
		return n.visit(path.parts, f)
	}
	return nil
}

func (n *node[T]) visit(parts []part, f func(*leaf[T]) bool) *leaf[T] {
	if len(parts) == 0 {
		return first(n.here, f)
	}
	text := parts[0].decoded
	if child := n.texts[text]; child != nil {
		if l := child.visit(parts[1:], f); l != nil {
			return l
		}
	}
	if len(parts) == 1 && text == "" {
		if l := first(n.end, f); l != nil {
			return l
		}
	}
	if n.single != nil && text != "" {
		if l := n.single.visit(parts[1:], f); l != nil {
			return l
		}
	}
	return first(n.rest, f)
}

func first[T any](leaves []leaf[T], f func(*leaf[T]) bool) *leaf[T] {
	for i := range leaves {
		if f(&leaves[i]) {
			return &leaves[i]
		}
	}
	return nil
}
