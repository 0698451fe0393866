package routes

import (
	"cmp"
	"fmt"
	"slices"

	"weft/edge/route"
	"weft/edge/route/pattern"
)

// A Table is what requests are matched against. It is immutable.
type Table struct {
	// Revision is the newest of the bucket that the table was made of.
	Revision uint64
	Index    *pattern.Index[*route.Route]
	// Routes are all that serve, by name. A route stays the same value from table to
	// table until another version of it serves.
	Routes map[string]*route.Route
	// Bad is how many names have a newest version that is bad.
	Bad int

	made   bool              // of a bucket
	states map[string]*state // of all names that are not deleted
	names  []string          // of states, sorted
	taken  map[string]string // who has a pattern, by its key
}

// A state is what became of a name.
type state struct {
	versions []*Version // in the order of revisions
	serving  *Version   // nil: none
	inRow    int        // bad puts since the last good one, or since the name was deleted
}

// A making is a table that is being made.
type making struct {
	all     []entry // in the order of revisions
	states  map[string]*state
	taken   map[string]string
	serving int
}

// An entry is a version with its name.
type entry struct {
	name string
	*Version
}

// newMaking applies all that is retained.
func newMaking(bucket map[string][]*Version) *making {
	m := &making{states: make(map[string]*state, len(bucket)), taken: make(map[string]string, len(bucket))}
	count := 0
	for _, versions := range bucket {
		count += len(versions)
	}
	m.all = make([]entry, 0, count)
	for name, versions := range bucket {
		m.states[name] = &state{versions: versions}
		for _, v := range versions {
			m.all = append(m.all, entry{name, v})
		}
	}
	slices.SortFunc(m.all, func(a, b entry) int { return cmp.Compare(a.Revision, b.Revision) })
	for _, e := range m.all {
		m.apply(e.name, e.Version)
	}
	return m
}

// apply does to the routes what a version did to them when it was put.
func (m *making) apply(name string, v *Version) {
	s := m.states[name]
	if v.Gone {
		m.end(s)
		s.inRow = 0
		return
	}
	v.parse(name)
	problem := m.problem(name, v, s)
	v.problem.Store(problem)
	if problem != nil {
		v.route = nil // of what does not serve only the text is kept
		s.inRow++
		return
	}
	m.end(s)
	s.serving, s.inRow = v, 0
	m.taken[v.key] = name
	m.serving++
}

// problem says why a version cannot serve at this point.
func (m *making) problem(name string, v *Version, s *state) *route.FieldError {
	switch other, taken := m.taken[v.key]; {
	case v.bad != nil:
		return v.bad
	case taken && other != name:
		return takenBy(other)
	case m.serving >= Most && s.serving == nil:
		return tooMany()
	}
	return nil
}

func takenBy(other string) *route.FieldError {
	return &route.FieldError{Field: "pattern", Detail: fmt.Sprintf("is that of route %q", other)}
}

func tooMany() *route.FieldError {
	return &route.FieldError{Field: "", Detail: fmt.Sprintf("there are %d routes already, and no more can serve; delete one", Most)}
}

// end lets a name serve no more.
func (m *making) end(s *state) {
	if s.serving != nil {
		delete(m.taken, s.serving.key)
		s.serving.route = nil
		s.serving = nil
		m.serving--
	}
}

// table is what has come of it.
func (m *making) table() *Table {
	t := &Table{Routes: make(map[string]*route.Route, m.serving), states: m.states, taken: m.taken}
	entries := make([]pattern.Entry[*route.Route], 0, m.serving)
	for _, e := range m.all {
		t.Revision = max(t.Revision, e.Revision)
		if m.states[e.name].serving == e.Version {
			r := e.serve(e.name)
			t.Routes[e.name] = r
			entries = append(entries, pattern.Entry[*route.Route]{Pattern: r.Pattern, Value: r})
		}
	}
	t.Index = pattern.NewIndex(entries)
	for name, s := range m.states {
		if v := newest(s.versions); v == nil || v.Gone {
			continue
		} else if v != s.serving {
			t.Bad++
		}
		t.names = append(t.names, name)
	}
	slices.Sort(t.names)
	return t
}
