package ingest

import (
	"errors"
	"net/http"

	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/subject"
)

// A Problem is an error that concerns the publisher. What it says is safe to
// show.
type Problem struct {
	status       int
	code, detail string
	err          error
}

func problem(status int, code, detail string) *Problem {
	return &Problem{status: status, code: code, detail: detail}
}

// Problem returns the HTTP status, the code of the public interface and a
// sentence.
func (p *Problem) Problem() (status int, code, detail string) { return p.status, p.code, p.detail }

func (p *Problem) Error() string {
	if p.err != nil {
		return p.code + ": " + p.err.Error()
	}
	return p.code + ": " + p.detail
}

// Unwrap returns what the store said, if it was the store.
func (p *Problem) Unwrap() error { return p.err }

// refused says what is wrong with an event that can never be stored.
func refused(err error) *Problem {
	switch {
	case errors.Is(err, subject.ErrSubject), errors.Is(err, subject.ErrToken):
		return problem(http.StatusBadRequest, "bad_subject", err.Error())
	case errors.Is(err, event.ErrTooLarge):
		return problem(http.StatusRequestEntityTooLarge, "too_large", err.Error())
	}
	return problem(http.StatusUnprocessableEntity, "bad_event", err.Error())
}

// stored says what went wrong in the store.
func stored(err error) *Problem {
	p := problem(http.StatusServiceUnavailable, "store_unavailable",
		"it is unknown whether the event was stored; send it again with the same id or Idempotency-Key")
	switch {
	case errors.Is(err, api.ErrDiskFull):
		p = problem(http.StatusServiceUnavailable, "disk_full", "the disk is full; nothing is taken until there is room")
	case errors.Is(err, subject.ErrSubject), errors.Is(err, event.ErrType), errors.Is(err, event.ErrTooLarge), errors.Is(err, event.ErrJSON):
		p = refused(err)
	case errors.Is(err, api.ErrRefused):
		p = problem(http.StatusUnprocessableEntity, "bad_event", "the store refuses this event")
	}
	p.err = err
	return p
}
