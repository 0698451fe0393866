package edge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"weft/edge/session"
)

const (
	// isolationEvery is how often the node looks whether it is cut off for too
	// long, isolationWindow the time over which it then sends everybody away.
	isolationEvery  = 500 * time.Millisecond
	isolationWindow = time.Second
)

// Drain takes no new connections from now on. In a cluster it lets load
// balancers notice that for public.drain_delay, and then says goodbye to those
// that are open, spread over public.drain_window; requests that routes serve may end
// within that time. Events are still taken. It returns when all have left or ctx ends;
// then its error says how many were left.
func (e *Edge) Drain(ctx context.Context) error {
	e.ready.draining.Store(true)
	delay := e.cfg.Public.DrainDelay
	if !e.deps.Node.Clustered {
		delay = 0 // there is nobody else to send them to
	}
	e.log.Info("draining", "connections", e.Connections(), "delay", delay, "window", e.cfg.Public.DrainWindow)
	forwarded := make(chan error, 1)
	select {
	case <-time.After(delay):
		go func() { forwarded <- e.proxy.Drain(ctx, e.cfg.Public.DrainWindow) }()
		e.sessions.Dismiss(ctx, session.Draining, e.cfg.Public.DrainWindow, func() bool { return true })
	case <-ctx.Done():
		forwarded <- nil
	}
	left := make(chan struct{})
	go func() {
		e.sessions.Wait() // nobody enters any more; Close ends the rest
		close(left)
	}()
	select {
	case <-left:
		return <-forwarded
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("drain: %d connections left: %w", e.Connections(), ctx.Err()), <-forwarded)
	}
}

// watchIsolation sends everybody elsewhere when the node has been cut off from
// the majority of its cluster for cluster.isolated_for.
func (e *Edge) watchIsolation(ctx context.Context) {
	t := time.NewTicker(isolationEvery)
	defer t.Stop()
	cutOff := func() bool {
		_, tooLong := e.deps.Node.Cluster.Links().Isolated()
		return tooLong
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if e.proxy.Known() && cutOff() {
			if n := e.proxy.Isolate(); n > 0 {
				e.log.Warn("cut off for too long; requests by a token are ended", "requests", n)
			}
		}
		if n := e.Connections(); n > 0 && cutOff() {
			e.log.Warn("cut off for too long; clients are sent elsewhere", "connections", n)
			e.sessions.Dismiss(ctx, session.Isolated, isolationWindow, cutOff)
		}
	}
}
