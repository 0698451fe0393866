package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"

	"weft/edge/problem"
)

// Why an answer is none.
var (
	errTooMany1x = errors.New("there are too many 1xx answers")
	errBadHead   = errors.New("the head of the answer is broken")
)

// A failure is why there is no answer.
type failure struct {
	error
	again bool // the next target may be tried
}

func (f *failure) Unwrap() error { return f.error }

// failure says what an error means for the client.
func (t *trip) failure(err error) *failure {
	if ctx := t.request.Context(); ctx.Err() != nil { // the call was ended, or the client is gone
		return &failure{error: context.Cause(ctx)}
	}
	if t.body != nil {
		if err := t.body.failure(); err != nil {
			return &failure{error: err}
		}
	}
	if _, ok := errors.AsType[*connectError](err); ok {
		if isUnusable(err) {
			return &failure{error: notEquipped(), again: true}
		}
		return &failure{error: problem.New(problem.UpstreamUnavailable, "the back end cannot be reached"), again: true}
	}
	if connectionEnded(err) {
		p := problem.New(problem.UpstreamUnavailable, "the back end ended the connection before it answered")
		return &failure{error: p, again: t.repeatable()}
	}
	return &failure{error: brokenHead()}
}

func brokenHead() *problem.Problem {
	return problem.New(problem.UpstreamUnavailable, "the back end's answer cannot be read")
}

// connectionEnded reports whether an error says that a connection ended.
func connectionEnded(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "read" || op.Op == "write") && !op.Timeout()
}

// repeatable reports whether the request may be sent again though it was sent: it changes
// nothing, has no body, and the client has seen nothing of an answer.
func (t *trip) repeatable() bool {
	if t.body != nil || t.told.Load() {
		return false
	}
	switch t.request.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	return false
}
