package session

import (
	"fmt"
	"strings"

	"weft/edge/problem"
	"weft/jetstream/event"
)

// MaxTypes bounds how many types a filter may name.
const MaxTypes = 64

// A Filter says which types of events a session wants. The zero value takes
// all, events without a type included. It is immutable.
type Filter struct {
	exact  []string
	prefix []string // each ends with a dot
}

// ParseFilter reads type patterns: "order.shipped" is one type, "order.*" all
// that begin with "order.".
func ParseFilter(patterns []string) (Filter, error) {
	var f Filter
	if len(patterns) > MaxTypes {
		return f, problem.New(problem.BadRequest, fmt.Sprintf("more than %d types", MaxTypes))
	}
	for _, p := range patterns {
		head, wild := strings.CutSuffix(p, ".*")
		if head == "" || strings.Contains(head, "*") || event.CheckType(head) != nil {
			return Filter{}, problem.New(problem.BadRequest, "type is neither a type like order.shipped nor a prefix like order.*")
		}
		if wild {
			f.prefix = append(f.prefix, head+".")
		} else {
			f.exact = append(f.exact, strings.Clone(p)) // it outlives the request
		}
	}
	return f, nil
}

// size is how many types it names.
func (f Filter) size() int { return len(f.exact) + len(f.prefix) }

// Wants reports whether an event of type typ passes.
func (f Filter) Wants(typ string) bool {
	if f.size() == 0 {
		return true
	}
	for _, t := range f.exact {
		if t == typ {
			return true
		}
	}
	for _, p := range f.prefix {
		if strings.HasPrefix(typ, p) {
			return true
		}
	}
	return false
}
