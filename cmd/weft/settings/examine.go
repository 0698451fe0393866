package settings

import (
	"slices"
)

// Examine looks at what the configuration names outside of itself: files of keys
// and certificates, and the data folder. It changes nothing and reaches for no
// network. Warnings are what is no mistake and yet hardly meant. The error is
// Problems, as that of Load.
func (l *Loaded) Examine() (warnings []Problem, err error) {
	js, face, ways := l.JetStream(), l.Edge(), l.Bridge()
	found := &loader{name: l.name, origins: l.origins}
	for _, err := range slices.Concat(js.CheckFiles(), face.CheckFiles(), ways.CheckFiles()) {
		found.addCheck(err)
	}
	unlikely := &loader{name: l.name, origins: l.origins}
	for _, err := range l.Auth.Warnings() {
		unlikely.addCheck(err)
	}
	if len(found.problems) > 0 {
		found.problems.sort()
		return unlikely.problems, found.problems
	}
	return unlikely.problems, nil
}
