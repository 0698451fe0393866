package service

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/nats-io/nats.go"

	"weft/edge/problem"
	"weft/edge/route"
	"weft/jetstream/services"
)

// Headers by which a service says that it has failed (NATS ADR-32).
const (
	headerErrorCode = "Nats-Service-Error-Code"
	headerError     = "Nats-Service-Error"
)

// answerOf makes an answer of a reply. That a service has failed is the status; without a
// body, what it says of that is the detail of a problem.
func answerOf(m *nats.Msg) (*route.Answer, error) {
	a, err := route.ReadAnswer(services.Pairs(m.Header), m.Data)
	if err != nil {
		return nil, err
	}
	code, said := m.Header[headerErrorCode], m.Header.Get(headerError)
	if len(code) == 0 && said == "" {
		return a, nil
	}
	a.Status = http.StatusInternalServerError
	if len(code) > 0 {
		if n, err := strconv.Atoi(code[0]); err == nil && n >= 400 && n <= 599 {
			a.Status = n
		}
	}
	if len(m.Data) == 0 {
		writeProblem(a, said)
	}
	return a, nil
}

// codes are those of the problems that services report.
var codes = map[int]problem.Code{
	http.StatusBadRequest: problem.BadRequest, http.StatusForbidden: problem.Forbidden, http.StatusNotFound: problem.NotFound,
	http.StatusConflict: problem.Conflict, http.StatusRequestEntityTooLarge: problem.TooLarge, http.StatusUnsupportedMediaType: problem.UnsupportedType,
	http.StatusTooManyRequests: problem.Limit, http.StatusInternalServerError: problem.Internal, http.StatusGatewayTimeout: problem.UpstreamTimeout,
}

// writeProblem makes the answer a problem of its status; headers that the service has set
// stay.
func writeProblem(a *route.Answer, detail string) {
	code, ok := codes[a.Status]
	switch {
	case ok:
	case a.Status < 500:
		code = problem.BadRequest
	default:
		code = problem.UpstreamUnavailable
	}
	p := problem.New(code, detail)
	p.Status = a.Status
	w := written{Answer: a}
	problem.Write(&w, p)
	a.Body = w.body.Bytes()
}

// written is an answer that a problem is written to.
type written struct {
	*route.Answer
	body bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *written) Header() http.Header { return w.Answer.Header }

// WriteHeader implements http.ResponseWriter.
func (w *written) WriteHeader(int) {}

// Write implements http.ResponseWriter.
func (w *written) Write(b []byte) (int, error) { return w.body.Write(b) }
