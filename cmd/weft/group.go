package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// A group runs actors until the first of them returns or its context ends, and
// then stops all of them one after the other, the last one added first: what
// was opened late stands on what was opened early.
type group struct {
	log    *slog.Logger
	actors []*actor
	ended  chan *actor
}

type actor struct {
	name   string
	run    func(context.Context) error
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// add registers an actor. run blocks and returns nil when its context ends.
func (g *group) add(name string, run func(context.Context) error) {
	g.actors = append(g.actors, &actor{name: name, run: run, done: make(chan struct{})})
}

// start starts all actors, in the order they were added.
func (g *group) start() {
	g.ended = make(chan *actor, len(g.actors))
	for _, a := range g.actors {
		// The actors do not end with the caller's context but in their turn.
		ctx, cancel := context.WithCancel(context.Background())
		a.cancel = cancel
		go func() {
			defer close(a.done)
			a.err = a.run(ctx)
			g.ended <- a
		}()
	}
}

// wait blocks until ctx ends or an actor returns.
func (g *group) wait(ctx context.Context) {
	select {
	case <-ctx.Done():
		g.log.Info("stopping", "cause", context.Cause(ctx))
	case a := <-g.ended:
		g.log.Error("stopping", "cause", a.name+" ended", "err", a.err)
	}
}

// stop ends the actors in reverse order and returns what went wrong. An actor
// that ended by itself is an error even when it says nothing.
func (g *group) stop() error {
	var errs []error
	for i := len(g.actors) - 1; i >= 0; i-- {
		a := g.actors[i]
		select {
		case <-a.done:
			if a.err == nil {
				errs = append(errs, fmt.Errorf("%s: ended unexpectedly", a.name))
			}
		default:
		}
		a.cancel()
		<-a.done
		if a.err != nil && !errors.Is(a.err, context.Canceled) {
			errs = append(errs, fmt.Errorf("%s: %w", a.name, a.err))
		}
	}
	return errors.Join(errs...)
}

// A teardown closes things in the reverse order of their opening.
type teardown []func() error

// add registers a Close the moment the thing exists.
func (t *teardown) add(name string, closing func() error) {
	*t = append(*t, func() error {
		if err := closing(); err != nil {
			return fmt.Errorf("close %s: %w", name, err)
		}
		return nil
	})
}

func (t *teardown) close() error {
	var errs []error
	for i := len(*t) - 1; i >= 0; i-- {
		errs = append(errs, (*t)[i]())
	}
	*t = nil
	return errors.Join(errs...)
}
