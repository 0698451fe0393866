package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// A hangup takes SIGHUP, by which a process would end at once and its clients
// with it: a terminal that was closed sends it, and operators who want a reload,
// which there is none of yet.
type hangup struct {
	signals chan os.Signal
	done    chan struct{}
}

// ignoreHangup begins to take the signal; the first is kept until tell.
func ignoreHangup() *hangup {
	h := &hangup{signals: make(chan os.Signal, 1), done: make(chan struct{})}
	signal.Notify(h.signals, syscall.SIGHUP)
	return h
}

// tell writes a line for each signal.
func (h *hangup) tell(log *slog.Logger) {
	go func() {
		for {
			select {
			case <-h.signals:
				log.Warn("SIGHUP is ignored: nothing is read again; restart the node to change its configuration")
			case <-h.done:
				return
			}
		}
	}()
}

// end gives the signal its usual effect again.
func (h *hangup) end() {
	signal.Stop(h.signals)
	close(h.done)
}
