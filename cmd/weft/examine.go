package main

import (
	"weft/cmd/weft/settings"
	"weft/config"
)

// examine finds what a node with this configuration would fail on as it starts,
// and hands warnings on. weft config and weft serve both end in it, so that the
// one finds what the other would.
func examine(l *settings.Loaded, warn func(config.Diagnostic)) error {
	warnings, err := l.Examine()
	for _, w := range warnings {
		warn(w)
	}
	return startHint(err)
}
