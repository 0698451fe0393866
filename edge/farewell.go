package edge

import (
	"context"
	"fmt"
	"math/rand/v2"
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
// that are open, spread over public.drain_window. Events are still taken. It
// returns when all have left or ctx ends; then its error says how many were left.
func (e *Edge) Drain(ctx context.Context) error {
	e.draining.Store(true)
	delay := e.cfg.Public.DrainDelay
	if !e.deps.Node.Clustered() {
		delay = 0 // there is nobody else to send them to
	}
	e.log.Info("draining", "connections", e.registry.Len(), "delay", delay, "window", e.cfg.Public.DrainWindow)
	if sleepUntil(ctx, time.Now().Add(delay)) == nil {
		e.dismiss(ctx, session.Draining, e.cfg.Public.DrainWindow, func() bool { return true })
	}
	left := make(chan struct{})
	go func() {
		e.sessions.Wait() // nobody enters any more; Close ends the rest
		close(left)
	}()
	select {
	case <-left:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("drain: %d connections left: %w", e.registry.Len(), ctx.Err())
	}
}

// dismiss ends all sessions one after the other over a window, in no order, for
// as long as the reason holds.
func (e *Edge) dismiss(ctx context.Context, cause session.Cause, window time.Duration, holds func() bool) {
	open := e.registry.All()
	rand.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
	start := time.Now()
	for i, s := range open {
		at := start.Add(window * time.Duration(i) / time.Duration(len(open)))
		if sleepUntil(ctx, at) != nil || !holds() {
			return
		}
		s.End(cause)
	}
}

// watchIsolation sends everybody elsewhere when the node has been cut off from
// the majority of its cluster for cluster.isolated_for.
func (e *Edge) watchIsolation(ctx context.Context) {
	t := time.NewTicker(isolationEvery)
	defer t.Stop()
	cutOff := func() bool {
		_, tooLong := e.deps.Node.Isolated()
		return tooLong
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if n := e.registry.Len(); n > 0 && cutOff() {
			e.log.Warn("cut off for too long; clients are sent elsewhere", "connections", n)
			e.dismiss(ctx, session.Isolated, isolationWindow, cutOff)
		}
	}
}

func sleepUntil(ctx context.Context, at time.Time) error {
	d := time.Until(at)
	if d < time.Millisecond {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
