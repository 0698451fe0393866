package admin

import (
	"errors"
	"io"
	"iter"
	"net/http"
	"time"

	"weft/edge/problem"
	"weft/edge/route"
)

// replyTime bounds reading an answer.
const replyTime = 30 * time.Second

// takeReply takes an answer for a request that waits for it, on any node.
func (a *Admin) takeReply(w http.ResponseWriter, r *request) error {
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(replyTime)); err != nil {
		a.log.Debug("set read deadline", "err", err)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, route.MaxAnswer))
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return problem.New(problem.TooLarge, route.ErrAnswerSize.Error())
	} else if err != nil {
		return problem.New(problem.BadRequest, "the body ends before its time")
	}
	if err := a.deps.Answer(r.Context(), r.name, fields(r.Header), body); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// fields are all names and values of a header.
func fields(h http.Header) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for name, values := range h {
			for _, value := range values {
				if !yield(name, value) {
					return
				}
			}
		}
	}
}
