package session

import (
	"fmt"
	"maps"

	"weft/edge/problem"
	"weft/jetstream/feed"
	"weft/jetstream/subject"
)

// maxOwnTypes bounds the types that the filters of a session's subjects name together,
// and so what they hold in memory.
const maxOwnTypes = 512

// filters are which types of events a session wants of which subject. They are
// immutable; nil wants all.
type filters struct {
	// all is of each subject that has none of its own.
	all Filter
	// own are those of subjects that have one. While there are any, exact and wild are
	// all that is followed: an event that several subjects bring is wanted when one of
	// them wants it.
	own   map[string]Filter
	exact map[string]struct{}
	wild  []string
}

// checkOwn reports why subjects may not have filters of their own.
func checkOwn(own map[string]Filter) error {
	types := 0
	for _, f := range own {
		types += f.size()
	}
	if types > maxOwnTypes {
		return problem.New(problem.BadRequest, fmt.Sprintf("more than %d types for the subjects of one connection", maxOwnTypes))
	}
	return nil
}

// makeFilters makes the filters of a session, nil when all is wanted.
func makeFilters(all Filter, own map[string]Filter, followed []string) *filters {
	switch {
	case len(own) > 0:
	case all.size() == 0:
		return nil
	default:
		return &filters{all: all}
	}
	f := &filters{all: all, own: own, exact: make(map[string]struct{})}
	for _, sub := range followed {
		if subject.IsPattern(sub) {
			f.wild = append(f.wild, sub)
		} else {
			f.exact[sub] = struct{}{}
		}
	}
	return f
}

// owned is a copy of the filters that subjects have of their own.
func (f *filters) owned() map[string]Filter {
	if f == nil {
		return nil
	}
	return maps.Clone(f.own)
}

// general is the filter of a subject that has none of its own.
func (f *filters) general() Filter {
	if f == nil {
		return Filter{}
	}
	return f.all
}

func (f *filters) of(sub string) Filter {
	if own, ok := f.own[sub]; ok {
		return own
	}
	return f.all
}

// wants reports whether one of the subjects that bring an event wants it.
func (f *filters) wants(m *feed.Message) bool {
	if f == nil {
		return true
	}
	if len(f.own) == 0 {
		return f.all.Wants(m.Type)
	}
	if _, ok := f.exact[m.Subject]; ok && f.of(m.Subject).Wants(m.Type) {
		return true
	}
	for _, w := range f.wild {
		if subject.Match(w, m.Subject) && f.of(w).Wants(m.Type) {
			return true
		}
	}
	return false
}
