package main

import (
	"log/slog"
	"runtime"
)

// tellLacks says in one line what a node does without on a system other than Linux.
func tellLacks(log *slog.Logger) {
	if len(lacks) > 0 {
		log.Warn("this system lacks what a node has on Linux", "os", runtime.GOOS, "lacks", lacks)
	}
}
