package service_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"weft/edge/problem"
	"weft/edge/proxy/service"
	"weft/edge/route"
)

// services answers in place of NATS.
type services func(ctx context.Context, m *nats.Msg) (*nats.Msg, error)

func (s services) Request(ctx context.Context, m *nats.Msg) (*nats.Msg, error) { return s(ctx, m) }

// request is one through a route with this target, that matches /api/{id}/{rest...}.
func request(t *testing.T, target string, values []string, body io.Reader) *http.Request {
	t.Helper()
	document := fmt.Sprintf(`{"pattern":"/api/{id}/{rest...}","target":%q,"timeout":"2s"}`, target)
	found, bad := route.Parse("orders", []byte(document))
	if bad != nil {
		t.Fatal(bad)
	}
	in := httptest.NewRequest(http.MethodPost, "/api/x/y", body)
	call := &route.Call{Route: found, Request: in, Values: values, User: "ann"}
	r := in.WithContext(route.WithCall(in.Context(), call))
	r.Header = call.MessageHeader()
	return r
}

func readAll(t *testing.T, res *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func problemOf(t *testing.T, err error) *problem.Problem {
	t.Helper()
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok {
		t.Fatalf("%v is no problem", err)
	}
	return p
}

func TestARequestIsOneMessageAndItsReplyTheAnswer(t *testing.T) {
	var asked *nats.Msg
	target := service.New(services(func(_ context.Context, m *nats.Msg) (*nats.Msg, error) {
		asked = m
		return &nats.Msg{Data: []byte("made"), Header: nats.Header{"weft-status": {"201"}, "CONTENT-TYPE": {"text/plain"},
			"Weft-Header-Location": {"/orders/7"}, "weft-header-connection": {"close"}, "weft-header-weft-user": {"eve"}, "X-Other": {"x"}}}, nil
	}))
	r := request(t, "nats://svc.orders.{id}", []string{"7", ""}, strings.NewReader("body"))
	r.Header["Traceparent"], r.Header["User-Agent"], r.Header["Nats-Trace-Dest"] = []string{"t"}, []string{""}, []string{"svc.evil"}
	res, err := target.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if asked.Subject != "svc.orders.7" || string(asked.Data) != "body" || asked.Header.Get("Weft-User") != "ann" || asked.Header.Get("Weft-Method") != "POST" || asked.Header.Get("traceparent") != "t" {
		t.Errorf("asked %+v", asked)
	}
	for _, absent := range []string{"Traceparent", "User-Agent", "Nats-Trace-Dest"} {
		if _, ok := asked.Header[absent]; ok {
			t.Errorf("the message has %s", absent)
		}
	}
	if got := readAll(t, res); res.StatusCode != 201 || got != "made" || res.Header.Get("Content-Type") != "text/plain" || res.Header.Get("Location") != "/orders/7" ||
		res.Header.Get("Connection") != "" || res.Header.Get("Weft-User") != "" || res.Header.Get("X-Other") != "" {
		t.Errorf("answered %d %q %v", res.StatusCode, got, res.Header)
	}
}

// Whatever a path holds, a value is one token, and the subject stays where it belongs.
func TestAValueOfThePathIsOneToken(t *testing.T) {
	target := service.New(services(func(_ context.Context, m *nats.Msg) (*nats.Msg, error) {
		return &nats.Msg{Data: []byte(m.Subject)}, nil
	}))
	for _, c := range []struct{ target, id, rest, want string }{
		{"nats://svc.orders.{id}", "a.b.%3E", "", "svc.orders.a=2Eb=2E=3E"},
		{"nats://svc.orders.{id}", "*", "", "svc.orders.=2A"},
		{"nats://svc.orders.{id}", ">", "", "svc.orders.=3E"},
		{"nats://svc.orders.{id}", "a%20b%0d%0aSUB", "", "svc.orders.a=20b=0D=0ASUB"},
		{"nats://svc.orders.{id}", "a%2Fb", "", "svc.orders.a=2Fb"},
		{"nats://svc.files.{rest}", "x", "a/b.c/%2A", "svc.files.a.b=2Ec.=2A"},
	} {
		res, err := target.RoundTrip(request(t, c.target, []string{c.id, c.rest}, nil))
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		if got := readAll(t, res); got != c.want {
			t.Errorf("%+v: asked %s", c, got)
		}
	}
}

func TestARequestOfWhichNoSubjectCanBeMadeIsForbidden(t *testing.T) {
	target := service.New(services(func(_ context.Context, m *nats.Msg) (*nats.Msg, error) {
		t.Errorf("asked %s", m.Subject)
		return nil, nats.ErrNoResponders
	}))
	for name, r := range map[string]*http.Request{
		"a long value":    request(t, "nats://svc.orders.{id}", []string{strings.Repeat("a", 201), ""}, nil),
		"a claim missing": request(t, "nats://svc.orders.{/tenant}", []string{"x", ""}, nil),
		"many segments":   request(t, "nats://svc.orders.{rest}", []string{"x", strings.Repeat("abcdefgh/", 300) + "x"}, nil),
	} {
		if _, err := target.RoundTrip(r); err == nil || problemOf(t, err).Code != problem.Forbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatAServiceSaysOfItsFailureIsTheStatus(t *testing.T) {
	for _, c := range []struct {
		header nats.Header
		body   string
		status int
		want   string
	}{
		{nats.Header{"Nats-Service-Error-Code": {"404"}, "Nats-Service-Error": {"no order 7"}}, "", 404, `"detail":"no order 7","code":"not_found"`},
		{nats.Header{"Nats-Service-Error-Code": {"404"}, "Nats-Service-Error": {"no order 7"}}, "mine", 404, "mine"},
		{nats.Header{"Nats-Service-Error-Code": {"200"}, "Nats-Service-Error": {"odd"}}, "", 500, `"status":500`},
		{nats.Header{"Nats-Service-Error-Code": {"600"}}, "x", 500, "x"},
		{nats.Header{"Nats-Service-Error-Code": {"teapot"}}, "x", 500, "x"},
		{nats.Header{"Nats-Service-Error-Code": {"418"}, "weft-status": {"201"}}, "", 418, `"status":418`},
		{nats.Header{"Nats-Service-Error-Code": {"503"}, "Nats-Service-Error": {"later"}, "weft-header-retry-after": {"7"}}, "", 503, `"code":"upstream_unavailable"`},
	} {
		target := service.New(services(func(context.Context, *nats.Msg) (*nats.Msg, error) {
			return &nats.Msg{Header: c.header, Data: []byte(c.body)}, nil
		}))
		res, err := target.RoundTrip(request(t, "nats://svc.orders", []string{"x", ""}, nil))
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		if got := readAll(t, res); res.StatusCode != c.status || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %d %s", c, res.StatusCode, got)
		}
		if c.body == "" && res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%+v: type %s", c, res.Header.Get("Content-Type"))
		}
		if c.header.Get("weft-header-retry-after") != "" && res.Header.Get("Retry-After") != "7" {
			t.Errorf("%+v: %v", c, res.Header)
		}
	}
}

func TestABadReplyIsABadAnswer(t *testing.T) {
	for name, m := range map[string]*nats.Msg{
		"a status":  {Header: nats.Header{"weft-status": {"99"}}},
		"too large": {Data: make([]byte, 1<<20+1)},
	} {
		target := service.New(services(func(context.Context, *nats.Msg) (*nats.Msg, error) { return m, nil }))
		_, err := target.RoundTrip(request(t, "nats://svc.orders", []string{"x", ""}, nil))
		if p := problemOf(t, err); p.Status != http.StatusBadGateway || p.Code != problem.UpstreamUnavailable {
			t.Errorf("%s: %v", name, p)
		}
	}
}

func TestNobodyThereIsToldAtOnceAndLateAfterTheTimeout(t *testing.T) {
	target := service.New(services(func(context.Context, *nats.Msg) (*nats.Msg, error) { return nil, nats.ErrNoResponders }))
	_, err := target.RoundTrip(request(t, "nats://svc.orders", []string{"x", ""}, nil))
	if p := problemOf(t, err); p.Status != http.StatusServiceUnavailable || p.Code != problem.UpstreamUnavailable || p.RetryAfter != time.Second {
		t.Errorf("nobody: %+v", p)
	}
	synctest.Test(t, func(t *testing.T) {
		never := service.New(services(func(ctx context.Context, _ *nats.Msg) (*nats.Msg, error) { <-ctx.Done(); return nil, ctx.Err() }))
		began := time.Now()
		_, err := never.RoundTrip(request(t, "nats://svc.orders", []string{"x", ""}, nil))
		if p := problemOf(t, err); p.Code != problem.UpstreamTimeout || p.Status != http.StatusGatewayTimeout || time.Since(began) != 2*time.Second {
			t.Errorf("late: %v after %v", p, time.Since(began))
		}
		gone := errors.New("the client has gone")
		r := request(t, "nats://svc.orders", []string{"x", ""}, nil)
		ctx, cancel := context.WithCancelCause(r.Context())
		time.AfterFunc(time.Second, func() { cancel(gone) })
		if _, err := never.RoundTrip(r.WithContext(ctx)); !errors.Is(err, gone) {
			t.Errorf("gone: %v", err)
		}
	})
}

// A body that claims to be short, or says nothing, is not taken beyond 1 MiB.
func TestALongBodyIsNotSent(t *testing.T) {
	sent := 0
	target := service.New(services(func(_ context.Context, m *nats.Msg) (*nats.Msg, error) {
		sent = len(m.Data)
		return &nats.Msg{}, nil
	}))
	_, err := target.RoundTrip(request(t, "nats://svc.orders", []string{"x", ""}, io.LimitReader(zeros{}, 1<<20+1)))
	if p := problemOf(t, err); p.Code != problem.TooLarge || sent != 0 {
		t.Errorf("%v; %d sent", err, sent)
	}
	if _, err := target.RoundTrip(request(t, "nats://svc.orders", []string{"x", ""}, io.LimitReader(zeros{}, 1<<20))); err != nil || sent != 1<<20 {
		t.Errorf("%v; %d sent", err, sent)
	}
	full := service.New(services(func(context.Context, *nats.Msg) (*nats.Msg, error) { return nil, nats.ErrMaxPayload }))
	_, err = full.RoundTrip(request(t, "nats://svc.orders", []string{"x", ""}, nil))
	if p := problemOf(t, err); p.Code != problem.TooLarge {
		t.Errorf("headers: %v", p)
	}
	broken := errors.New("the client's connection broke")
	if _, err := target.RoundTrip(request(t, "nats://svc.orders", []string{"x", ""}, failing{broken})); !errors.Is(err, broken) {
		t.Errorf("a body that breaks: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// What comes as a reply makes an answer that HTTP can carry, or none.
func FuzzReply(f *testing.F) {
	f.Add("weft-status", "201", "weft-header-x", "y", []byte("{}"))
	f.Add("Nats-Service-Error-Code", "404", "Nats-Service-Error", "a\r\nb", []byte(""))
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2 string, data []byte) {
		target := service.New(services(func(context.Context, *nats.Msg) (*nats.Msg, error) {
			return &nats.Msg{Header: nats.Header{n1: {v1}, n2: {v2}}, Data: data}, nil
		}))
		res, err := target.RoundTrip(request(t, "nats://svc.orders", []string{"x", ""}, nil))
		if err != nil {
			problemOf(t, err)
			return
		}
		if res.StatusCode < 200 || res.StatusCode > 599 {
			t.Errorf("status %d", res.StatusCode)
		}
		for name, values := range res.Header {
			if strings.HasPrefix(strings.ToLower(name), "weft-") || strings.ContainsAny(name+strings.Join(values, ""), "\r\n") {
				t.Errorf("header %q %q", name, values)
			}
		}
	})
}
