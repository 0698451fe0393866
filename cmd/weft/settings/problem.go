package settings

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"weft/config"
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

// A Problem is one reason to refuse a configuration.
type Problem struct {
	Origin Origin
	// Key is written as in the file: events.max_age, kafka.sources[0].to. It is
	// empty when the text is no YAML at all.
	Key string
	// Msg says what is wrong and what to write instead. It never holds a secret.
	Msg string
	// Err is the cause where there is one, as of a file that cannot be read.
	Err error
}

func (p Problem) Error() string {
	parts := make([]string, 0, 3)
	for _, s := range []string{p.Origin.String(), p.Key, p.Msg} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// Problems is the error of Load: everything that is wrong, in the order of the
// file, then variables and flags.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the causes.
func (ps Problems) Unwrap() []error {
	var errs []error
	for _, p := range ps {
		if p.Err != nil {
			errs = append(errs, p.Err)
		}
	}
	return errs
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if inFile := (a.Origin.Line > 0); inFile != (b.Origin.Line > 0) {
			if inFile {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Origin.Line, b.Origin.Line)
	})
}

// touches reports whether there is a problem about key or about something
// above or below it.
func (ps Problems) touches(key string) bool {
	return slices.ContainsFunc(ps, func(p Problem) bool {
		return within(p.Key, key) || within(key, p.Key)
	})
}

// within reports whether key is parent or lies below it.
func within(key, parent string) bool {
	rest, ok := strings.CutPrefix(key, parent)
	return ok && parent != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// addCheck adds what a room found wrong, at the place its value came from. A
// follow-up of a problem that is known already is left out.
func (l *loader) addCheck(err error) {
	var bad *config.KeyError
	if !errors.As(err, &bad) {
		l.add(Origin{Name: l.name}, "", err.Error())
		return
	}
	if l.problems.touches(bad.Key) {
		return
	}
	l.problems = append(l.problems, Problem{Origin: l.origins.nearest(bad.Key, l.name), Key: bad.Key, Msg: bad.Msg, Err: bad.Err})
}

func (l *loader) add(o Origin, key, msg string) {
	l.problems = append(l.problems, Problem{Origin: o, Key: key, Msg: msg})
}

// origins knows where each key that was set came from: leaves, list entries
// and sections.
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
