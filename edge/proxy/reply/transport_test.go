package reply_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/problem"
	"weft/edge/proxy/reply"
	"weft/edge/route"
)

// A target answers as the test says.
type target func(r *http.Request) (*http.Response, error)

func (f target) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A body says whether it was closed.
type body struct {
	io.Reader
	closed chan struct{}
}

func (b *body) Close() error {
	select {
	case <-b.closed:
	default:
		close(b.closed)
	}
	return nil
}

func says(status int, text string) target {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text))}, nil
	}
}

// A topics is ready when it says so.
type topics func(ctx context.Context, topic string) error

func (f topics) Ready(ctx context.Context, topic string) error { return f(ctx, topic) }

// waits makes a request that waits for an answer.
func waits(ctx context.Context, w *reply.Waiting, how *route.Reply) (r *http.Request, correlation string, forget func()) {
	correlation, answer, forget := w.Expect()
	call := &route.Call{Route: &route.Route{Reply: how}, Correlation: correlation, Answer: answer}
	r = httptest.NewRequestWithContext(route.WithCall(ctx, call), "POST", "/orders", strings.NewReader("x"))
	return r, correlation, forget
}

func codeOf(err error) (problem.Code, int) {
	p := problem.Of(err)
	return p.Code, p.Status
}

func TestA202IsThrownAwayAndTheAnswerTaken(t *testing.T) {
	w := reply.New(prometheus.NewRegistry())
	thrown := &body{strings.NewReader(`{"queued":true}`), make(chan struct{})}
	r, correlation, forget := waits(t.Context(), w, &route.Reply{Timeout: time.Minute})
	defer forget()
	next := target(func(*http.Request) (*http.Response, error) {
		w.Deliver(correlation, &route.Answer{Status: 201, Header: http.Header{"Location": {"/orders/7"}}, Body: []byte("made")}, nil) // overtakes it
		return &http.Response{StatusCode: 202, Header: http.Header{"X-Queue": {"1"}}, Body: thrown}, nil
	})
	res, err := (&reply.Transport{Next: next}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := io.ReadAll(res.Body)
	if res.StatusCode != 201 || string(got) != "made" || res.Header.Get("Location") != "/orders/7" || res.Header.Get("X-Queue") != "" || res.Header.Get("Content-Length") != "4" {
		t.Errorf("%+v %s", res, got)
	}
	<-thrown.closed
}

func TestAnyOtherStatusIsTheAnswer(t *testing.T) {
	w := reply.New(prometheus.NewRegistry())
	for _, status := range []int{200, 201, 204, 303, 400, 503} {
		r, correlation, forget := waits(t.Context(), w, &route.Reply{Timeout: time.Minute})
		w.Deliver(correlation, answerOf("later"), nil)
		res, err := (&reply.Transport{Next: says(status, "now")}).RoundTrip(r)
		if err != nil || res.StatusCode != status {
			t.Fatalf("%v, %v", res, err)
		}
		if got, _ := io.ReadAll(res.Body); string(got) != "now" {
			t.Errorf("%d: %s", status, got)
		}
		forget()
	}
	down := errors.New("down")
	r, _, _ := waits(t.Context(), w, &route.Reply{Timeout: time.Minute})
	if _, err := (&reply.Transport{Next: target(func(*http.Request) (*http.Response, error) { return nil, down })}).RoundTrip(r); !errors.Is(err, down) {
		t.Errorf("%v", err)
	}
}

func TestARouteWithoutReplyKeepsIts202(t *testing.T) {
	r := httptest.NewRequestWithContext(route.WithCall(t.Context(), &route.Call{Route: &route.Route{}}), "GET", "/", nil)
	for _, r := range []*http.Request{r, httptest.NewRequest("GET", "/", nil)} {
		if res, err := (&reply.Transport{Next: says(202, "kept")}).RoundTrip(r); err != nil || res.StatusCode != 202 {
			t.Errorf("%v, %v", res, err)
		}
	}
}

func TestALateAnswerIs504AndABadOne502(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reply.New(prometheus.NewRegistry())
		r, _, _ := waits(t.Context(), w, &route.Reply{Timeout: 30 * time.Second})
		began := time.Now()
		_, err := (&reply.Transport{Next: says(202, "")}).RoundTrip(r)
		if code, status := codeOf(err); code != problem.UpstreamTimeout || status != 504 || time.Since(began) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		r, correlation, _ := waits(t.Context(), w, &route.Reply{Timeout: 30 * time.Second})
		time.AfterFunc(time.Second, func() { w.Take(correlation, nil, route.ErrStatus) })
		_, err = (&reply.Transport{Next: says(202, "")}).RoundTrip(r)
		if code, status := codeOf(err); code != problem.UpstreamUnavailable || status != 502 {
			t.Errorf("%v", err)
		}
	})
}

func TestAnEndingRequestWaitsNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reply.New(prometheus.NewRegistry())
		ctx, end := context.WithCancelCause(t.Context())
		r, _, _ := waits(ctx, w, &route.Reply{Timeout: time.Hour})
		time.AfterFunc(time.Second, func() { end(problem.New(problem.Draining, "bye")) })
		// The body of the 202 never ends, which holds nothing up either.
		endless, stop := io.Pipe()
		defer stop.Close()
		next := target(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 202, Body: endless}, nil
		})
		_, err := (&reply.Transport{Next: next}).RoundTrip(r)
		if code, _ := codeOf(err); code != problem.Draining {
			t.Errorf("%v", err)
		}
	})
}

func TestARequestLeavesOnlyWhenItsTopicIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := reply.New(prometheus.NewRegistry())
		how := &route.Reply{Topic: "answers", Timeout: 10 * time.Second}
		var read bool
		next := target(func(*http.Request) (*http.Response, error) {
			if !read {
				t.Error("it left before")
			}
			return says(202, "")(nil)
		})
		late := topics(func(ctx context.Context, topic string) error {
			time.Sleep(4 * time.Second)
			read = topic == "answers"
			return nil
		})
		r, _, _ := waits(t.Context(), w, how)
		began := time.Now()
		if _, err := (&reply.Transport{Next: next, Topics: late}).RoundTrip(r); problem.Of(err).Status != 504 || time.Since(began) != 10*time.Second {
			t.Errorf("both together take %v: %v", time.Since(began), err)
		}
		read = false
		never := topics(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
		away := topics(func(context.Context, string) error {
			p := problem.New(problem.UpstreamUnavailable, "Kafka does not answer")
			p.Status = 503
			return p
		})
		for name, which := range map[string]reply.Topics{"never": never, "away": away, "none": nil} {
			r, _, _ := waits(t.Context(), w, how)
			if _, err := (&reply.Transport{Next: next, Topics: which}).RoundTrip(r); problem.Of(err).Status != 503 {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestAnAnswerWithoutBodyIsOne(t *testing.T) {
	w := reply.New(prometheus.NewRegistry())
	for _, c := range []struct {
		status int
		method string
		length string
	}{{204, "POST", ""}, {304, "GET", ""}, {200, "HEAD", "3"}, {200, "GET", "3"}} {
		r, correlation, _ := waits(t.Context(), w, &route.Reply{Timeout: time.Minute})
		r.Method = c.method
		w.Deliver(correlation, &route.Answer{Status: c.status, Header: http.Header{}, Body: []byte("abc")}, nil)
		res, err := (&reply.Transport{Next: says(202, "")}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		if res.Header.Get("Content-Length") != c.length || (len(got) > 0) != (c.method == "GET" && c.status == 200) {
			t.Errorf("%+v: %v %q", c, res.Header, got)
		}
	}
}
