// Package parameter reads the query of a request. Each endpoint declares what it
// takes; whatever else stands there is refused, and the name that it is near to is
// told: a parameter that is not obeyed without a word costs its sender more than
// an error.
package parameter

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"weft/config/suggestion"
	"weft/edge/problem"
)

// A List is what an endpoint takes. It must not change while it is used.
type List struct {
	once, many []string
	hints      map[string]string
}

// Once declares parameters that have one value. To say it again is fine, to say
// another one is not.
func Once(names ...string) List { return List{once: names} }

// Many returns a list that takes these, too, each as often as it comes.
func (l List) Many(names ...string) List {
	l.many = append(slices.Clone(l.many), names...)
	return l
}

// And returns a list that takes these, too, each with one value.
func (l List) And(names ...string) List {
	l.once = append(slices.Clone(l.once), names...)
	return l
}

// Not returns a list that knows a parameter only to say when it is taken.
func (l List) Not(name, hint string) List {
	hints := map[string]string{name: hint}
	for n, h := range l.hints {
		hints[n] = h
	}
	l.hints = hints
	return l
}

// Has reports whether the list takes a parameter.
func (l List) Has(name string) bool {
	return slices.Contains(l.once, name) || slices.Contains(l.many, name)
}

// Names are what the list takes, those with one value and those that may come more often, in
// order.
func (l List) Names() (once, many []string) {
	return slices.Compact(slices.Sorted(slices.Values(l.once))), slices.Compact(slices.Sorted(slices.Values(l.many)))
}

// LastEventID is the parameter of the id to resume after.
const LastEventID = "last_event_id"

// aliases are names that a client library, or a person who has the header in mind,
// uses for a parameter: an event source that is polyfilled cannot set headers
// across origins and brings lastEventId instead.
var aliases = map[string]string{"lastEventId": LastEventID, "Last-Event-ID": LastEventID}

// Read returns the parameters of a raw query by their names, aliases replaced. Its
// errors are problems (bad_request).
func (l List) Read(raw string) (url.Values, error) {
	if raw == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, problem.New(problem.BadRequest, "the query cannot be read: it is not well encoded")
	}
	for alias, name := range aliases {
		if said, ok := values[alias]; ok && slices.Contains(l.once, name) {
			values[name] = append(values[name], said...)
			delete(values, alias)
		}
	}
	for name, said := range values {
		switch {
		case slices.Contains(l.many, name):
		case !slices.Contains(l.once, name):
			return nil, problem.New(problem.BadRequest, l.unknown(name))
		case len(slices.Compact(slices.Clone(said))) > 1:
			return nil, problem.New(problem.BadRequest, name+" has two different values")
		}
	}
	return values, nil
}

// unknown says what is wrong with a name. A value is not repeated: it may be a
// secret.
func (l List) unknown(name string) string {
	if hint := l.hints[name]; hint != "" {
		return name + " " + hint
	}
	known := slices.Sorted(slices.Values(slices.Concat(l.once, l.many)))
	text := fmt.Sprintf("there is no parameter %.60q here", name)
	if near := suggestion.DidYouMean(name, known); near != "" {
		return text + near
	}
	if len(known) == 0 {
		return text + ", nor any other"
	}
	return text + "; known are " + strings.Join(known, ", ")
}
