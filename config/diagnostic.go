package config

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// An Origin says where a value comes from: a line of the file, an environment
// variable or a flag.
type Origin struct {
	// Name is the path of the file, the name of the variable, or the flag with
	// its dashes.
	Name string
	// Line counts from 1; 0 where there are no lines.
	Line int
	// Column counts from 1 within the line; 0 where a key says it better.
	Column int
}

func (o Origin) String() string {
	if o.Column > 0 {
		return o.Name + ":" + strconv.Itoa(o.Line) + ":" + strconv.Itoa(o.Column)
	}
	if o.Line > 0 {
		return o.Name + ":" + strconv.Itoa(o.Line)
	}
	return o.Name
}

// A Diagnostic is one reason to refuse a configuration.
type Diagnostic struct {
	Origin Origin
	// Key is written as in the file: events.max_age, kafka.sources[0].to. It is
	// empty when the text is no YAML at all.
	Key string
	// Msg says what is wrong and what to write instead. It never holds a secret.
	Msg string
	// Err is the cause where there is one, as of a file that cannot be read.
	Err error
}

func (d Diagnostic) Error() string {
	parts := make([]string, 0, 3)
	for _, s := range []string{d.Origin.String(), d.Key, d.Msg} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// Diagnostics is everything that is wrong, in the order of the file, then variables
// and flags.
type Diagnostics []Diagnostic

func (ds Diagnostics) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the causes.
func (ds Diagnostics) Unwrap() []error {
	var errs []error
	for _, d := range ds {
		if d.Err != nil {
			errs = append(errs, d.Err)
		}
	}
	return errs
}

// Err is the diagnostics in order as one error, nil when there are none.
func (ds Diagnostics) Err() error {
	if len(ds) == 0 {
		return nil
	}
	ds.sort()
	return ds
}

func (ds Diagnostics) sort() {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		if inFile := (a.Origin.Line > 0); inFile != (b.Origin.Line > 0) {
			if inFile {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Origin.Line, b.Origin.Line)
	})
}

// touches reports whether there is one about key or about something
// above or below it.
func (ds Diagnostics) touches(key string) bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool {
		return within(d.Key, key) || within(key, d.Key)
	})
}

// within reports whether key is parent or lies below it.
func within(key, parent string) bool {
	rest, ok := strings.CutPrefix(key, parent)
	return ok && parent != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// addCheck adds what a check found wrong, at the place its value came from. A
// follow-up of one that is known already is left out.
func (l *Loaded) addCheck(err error) {
	var bad *KeyError
	if !errors.As(err, &bad) {
		l.add(Origin{Name: l.name}, "", err.Error())
		return
	}
	if l.diagnostics.touches(bad.Key) {
		return
	}
	l.diagnostics = append(l.diagnostics, Diagnostic{Origin: l.origins.nearest(bad.Key, l.name), Key: bad.Key, Msg: bad.Msg, Err: bad.Err})
}

func (l *Loaded) add(o Origin, key, msg string) {
	l.diagnostics = append(l.diagnostics, Diagnostic{Origin: o, Key: key, Msg: msg})
}

// origins knows where each key that was set came from: keys, list entries and
// sections.
type origins map[string]Origin

// nearest is the origin of key, or of the closest thing around it that was
// set; fallback when nothing was.
func (os origins) nearest(key, fallback string) Origin {
	for key != "" {
		if o, ok := os[key]; ok {
			return o
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return Origin{Name: fallback}
}
