package reply

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"

	"weft/edge/problem"
	"weft/edge/route"
)

// Topics are the topics of Kafka that answers come by.
type Topics interface {
	// Ready returns when the topic is read from before now on. Its errors are problems.
	Ready(ctx context.Context, topic string) error
}

// A Transport makes a target one whose answer may come later: if the route has reply, a
// 202 of the target is thrown away, and the answer for the request's correlation taken
// instead. Any other status is the answer. It is safe for concurrent use.
type Transport struct {
	Next   http.RoundTripper
	Topics Topics // nil: none is read
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	call := route.CallOf(r.Context())
	if call == nil || call.Answer == nil || call.Route.Reply == nil {
		return t.Next.RoundTrip(r)
	}
	left := call.Route.Reply.Timeout
	if topic := call.Route.Reply.Topic; topic != "" {
		began := time.Now()
		if err := t.ready(r.Context(), topic, left); err != nil {
			closeBody(r)
			return nil, err
		}
		left -= time.Since(began)
	}
	res, err := t.Next.RoundTrip(r)
	if err != nil || res.StatusCode != http.StatusAccepted {
		return res, err
	}
	defer throwAway(res.Body)()
	return await(r, call.Answer, left)
}

// ready waits until the topic of the answer is read. Nothing was sent before.
func (t *Transport) ready(ctx context.Context, topic string, within time.Duration) error {
	unread := problem.New(problem.UpstreamUnavailable, "the answers of this route cannot be read now").Retry(time.Second)
	unread.Status = http.StatusServiceUnavailable
	if t.Topics == nil {
		return unread
	}
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err := t.Topics.Ready(limited, topic)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return unread
	}
	return err
}

// closeBody is what a RoundTripper owes to a request that it does not send.
func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// await takes the answer, however long before it has come.
func await(r *http.Request, answer <-chan *route.Answer, within time.Duration) (*http.Response, error) {
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case a := <-answer:
		return Respond(r, a)
	default:
	}
	select {
	case a := <-answer:
		return Respond(r, a)
	case <-late.C:
		return nil, problem.New(problem.UpstreamTimeout, "the answer did not come in time")
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
}

// Respond makes the response to a request of an answer. Its errors are problems.
func Respond(r *http.Request, a *route.Answer) (*http.Response, error) {
	if a.Err != nil {
		return nil, problem.New(problem.UpstreamUnavailable, "the answer that came is none: "+a.Err.Error())
	}
	res := &http.Response{
		Status: strconv.Itoa(a.Status) + " " + http.StatusText(a.Status), StatusCode: a.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: maps.Clone(a.Header), Body: http.NoBody, Request: r,
	}
	if a.Status == http.StatusNoContent || a.Status == http.StatusNotModified {
		return res, nil
	}
	res.ContentLength = int64(len(a.Body))
	res.Header.Set("Content-Length", strconv.Itoa(len(a.Body)))
	if r.Method != http.MethodHead {
		res.Body = io.NopCloser(bytes.NewReader(a.Body))
	}
	return res, nil
}

const (
	// wasteBytes and wasteTime are how much of a body that nobody needs is read, so that
	// its connection can be used again.
	wasteBytes = 64 << 10
	wasteTime  = time.Second
	// wasteLinger is how long an answer waits for that.
	wasteLinger = 20 * time.Millisecond
)

// throwAway reads a body to its end, if that comes soon, and closes it. The function that
// it returns is called when the request ends.
func throwAway(body io.ReadCloser) (end func()) {
	done := make(chan struct{})
	closing := time.AfterFunc(wasteTime, func() { _ = body.Close() })
	go func() {
		defer close(done)
		_, _ = io.CopyN(io.Discard, body, wasteBytes)
		if closing.Stop() {
			_ = body.Close()
		}
	}()
	return func() {
		select {
		case <-done:
			return
		default:
		}
		linger := time.NewTimer(wasteLinger)
		defer linger.Stop()
		select {
		case <-done:
		case <-linger.C:
			if closing.Stop() {
				_ = body.Close()
			}
		}
	}
}
