// Package service forwards requests to NATS services: a request becomes one message, and
// its reply the answer. There are no streams, and nothing is tried twice.
package service

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"weft/edge/problem"
	"weft/edge/proxy/reply"
	"weft/edge/route"
	"weft/jetstream/subject"
)

const (
	// maxBody is the longest body of a request, in bytes.
	maxBody = 1 << 20
	// firstBuffer is the greatest buffer that a body is given before it has come.
	firstBuffer = 64 << 10
)

// A Requester sends a message and returns its reply. Its errors are nats.ErrNoResponders,
// nats.ErrMaxPayload and those of the context. The message is its own.
type Requester interface {
	Request(ctx context.Context, m *nats.Msg) (*nats.Msg, error)
}

// A Target is the http.RoundTripper of the scheme nats. It is safe for concurrent use.
type Target struct{ services Requester }

// New makes a Target.
func New(services Requester) *Target { return &Target{services} }

// RoundTrip implements http.RoundTripper. The request's context has a route.Call; its
// headers are those of the message. Errors are problems: forbidden when no subject can be
// made of the request, too_large, upstream_unavailable and upstream_timeout; or the cause
// with which the request's context has ended.
func (t *Target) RoundTrip(r *http.Request) (*http.Response, error) {
	call := route.CallOf(r.Context())
	to, err := subjectOf(call)
	if err != nil {
		closeBody(r)
		return nil, err
	}
	data, err := readBody(r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), call.Route.Timeout)
	defer cancel()
	m, err := t.services.Request(ctx, &nats.Msg{Subject: to, Header: headerOf(r.Header), Data: data})
	switch {
	case err == nil:
	case r.Context().Err() != nil:
		return nil, context.Cause(r.Context())
	case errors.Is(err, nats.ErrNoResponders):
		return nil, unavailable("no service listens").Retry(time.Second)
	case errors.Is(err, nats.ErrMaxPayload):
		return nil, problem.New(problem.TooLarge, "body and headers are longer than a message may be")
	case errors.Is(err, context.DeadlineExceeded):
		return nil, problem.New(problem.UpstreamTimeout, "the service did not answer in time")
	default:
		return nil, unavailable("the service cannot be reached")
	}
	answer, err := answerOf(m)
	if err != nil {
		return nil, problem.New(problem.UpstreamUnavailable, "the service's answer is none: "+err.Error())
	}
	return reply.Respond(r, answer)
}

func unavailable(detail string) *problem.Problem {
	p := problem.New(problem.UpstreamUnavailable, detail)
	p.Status = http.StatusServiceUnavailable
	return p
}

// subjectOf makes the subject of a request. Whatever a request holds, it stays below svc.,
// reaches one subject, and fits into a line of the protocol: the server closes the
// connection on a longer one, which is that of all requests.
func subjectOf(call *route.Call) (string, error) {
	refused := problem.New(problem.Forbidden, "the address of the service cannot be made of this request")
	to, err := call.Route.Targets[0].Path.Subject(call)
	if err != nil || len(to) > subject.MaxBytes {
		return "", refused
	}
	rest, ok := strings.CutPrefix(to, subject.Services)
	if !ok {
		return "", refused
	}
	for token := range strings.SplitSeq(rest, ".") {
		if token == "" || token == "*" || token == ">" || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
			return "", refused
		}
	}
	return to, nil
}

// readBody reads the body of a request to its end and closes it. Its errors are problems if
// those of the body are.
func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	defer closeBody(r)
	// What is announced is not there yet.
	var data bytes.Buffer
	data.Grow(int(min(max(r.ContentLength, 0), firstBuffer)) + bytes.MinRead)
	_, err := data.ReadFrom(io.LimitReader(r.Body, maxBody+1))
	if err == nil && data.Len() > maxBody {
		err = problem.New(problem.TooLarge, "the body is longer than 1 MiB")
	}
	return data.Bytes(), err
}

// closeBody is what a RoundTripper owes to a request.
func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// headerOf is the header of the message. Names are case-sensitive in NATS, where others
// write traceparent so; with a header of the server's own, Nats-, a client could ask for
// what it may not.
func headerOf(from http.Header) nats.Header {
	h := make(nats.Header, len(from))
	for name, values := range from {
		switch {
		case name == "Traceparent" || name == "Tracestate":
			h[strings.ToLower(name)] = values
		case len(name) >= 5 && strings.EqualFold(name[:5], "nats-"):
		case name == "User-Agent" && len(values) == 1 && values[0] == "": // of ReverseProxy
		default:
			h[name] = values
		}
	}
	return h
}
