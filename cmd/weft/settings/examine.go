package settings

import (
	"slices"

	"weft/config"
)

// Examine looks at what the configuration names outside of itself: files of keys
// and certificates, and the data folder. It changes nothing and reaches for no
// network. Warnings are what is no mistake and yet hardly meant. The error is
// config.Diagnostics, as that of Load.
func (l *Loaded) Examine() (warnings config.Diagnostics, err error) {
	js, face, ways := l.JetStream(), l.Edge(), l.Bridge()
	wrong := l.Locate(slices.Concat(js.CheckFiles(), face.CheckFiles(), ways.CheckFiles()))
	return l.Locate(l.Auth.Warnings()), wrong.Err()
}
