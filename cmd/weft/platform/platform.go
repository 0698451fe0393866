// Package platform knows the systems that weft runs on: what a node does without on
// those that are not Linux.
package platform

import (
	"log/slog"
	"runtime"
)

// LogLacks says in one line what a node does without on a system other than Linux.
func LogLacks(log *slog.Logger) {
	if len(lacks) > 0 {
		log.Warn("this system lacks what a node has on Linux", "os", runtime.GOOS, "lacks", lacks)
	}
}
