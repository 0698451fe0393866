package ingest

import (
	"errors"
	"time"

	"weft/edge/problem"
	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/subject"
)

// comeBack is after how long a client should try again what may pass then.
const comeBack = time.Second

// A failure is a problem and what the store said, which no client is shown.
type failure struct {
	shown *problem.Problem
	cause error
}

func (f *failure) Error() string { return string(f.shown.Code) + ": " + f.cause.Error() }

// Unwrap returns both.
func (f *failure) Unwrap() []error { return []error{f.shown, f.cause} }

// refused says what is wrong with an event that can never be stored.
func refused(err error) *problem.Problem {
	switch {
	case errors.Is(err, subject.ErrSubject), errors.Is(err, subject.ErrToken):
		return problem.New(problem.BadSubject, err.Error())
	case errors.Is(err, event.ErrTooLarge):
		return problem.New(problem.TooLarge, err.Error())
	}
	return problem.New(problem.BadEvent, err.Error())
}

// stored says what went wrong in the store.
func stored(err error) *failure {
	p := problem.New(problem.StoreUnavailable,
		"it is unknown whether the event was stored; send it again with the same id or Idempotency-Key").Retry(comeBack)
	switch {
	case errors.Is(err, api.ErrDiskFull):
		p = problem.New(problem.DiskFull, "the disk is full; nothing is taken until there is room").Retry(comeBack)
	case errors.Is(err, subject.ErrSubject), errors.Is(err, event.ErrType), errors.Is(err, event.ErrTooLarge), errors.Is(err, event.ErrJSON):
		p = refused(err)
	case errors.Is(err, api.ErrRefused):
		p = problem.New(problem.BadEvent, "the store refuses this event")
	}
	return &failure{p, err}
}
