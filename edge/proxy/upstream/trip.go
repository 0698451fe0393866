package upstream

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"

	"weft/edge/route"
)

// max1xx bounds how many 1xx answers precede an answer.
const max1xx = 100

// A trip is the way of a request to a server and of the answer back, over as many targets
// as are tried. The call ends it.
type trip struct {
	request *http.Request
	call    *route.Call
	body    *requestBody // nil: the request has none
	clock   clock
	again   bool        // a target was tried
	told    atomic.Bool // the client has seen a 1xx
	many    int         // 1xx answers
	telling telling     // of them
}

// newTrip begins a trip. The request is the trip's own from now on.
func newTrip(r *http.Request, call *route.Call) *trip {
	t := &trip{request: r, call: call}
	t.clock.idle, t.clock.head, t.clock.end = call.Route.IdleTimeout, call.Route.Timeout, t.timeUp
	if r.Body != nil && r.Body != http.NoBody {
		t.body = &requestBody{body: r.Body, trip: t}
		r.Body = t.body
	}
	// The proxy has made a trace for this request alone, to pass on 1xx answers.
	trace := httptrace.ContextClientTrace(r.Context())
	if trace == nil {
		trace = &httptrace.ClientTrace{}
		t.request = r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
	}
	pass := trace.Got1xxResponse
	trace.Got1xxResponse = func(code int, h textproto.MIMEHeader) error { return t.informed(pass, code, h) }
	trace.GotConn = t.connected
	trace.WroteRequest = t.wrote
	return t
}

// to sends the request to a server and returns its answer. It may be called again after an
// error.
func (t *trip) to(c candidate) (*http.Response, error) {
	defer c.release()
	r, secret := t.request, c.server.credentials
	if t.again || secret != nil { // the one before may still be looked at
		r = r.WithContext(r.Context())
		u := *r.URL
		r.URL = &u
	}
	t.again = true
	r.URL.Scheme, r.URL.Host = "http", c.host
	if t.call.Route.Scheme == route.HTTPS {
		r.URL.Scheme = "https"
	}
	if secret != nil && len(secret.headers) > 0 {
		r.Header = maps.Clone(r.Header)
		maps.Copy(r.Header, secret.headers)
	}
	res, err := c.server.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	t.telling.wait()
	if !t.arrived(res) {
		_ = res.Body.Close()
		return nil, errBadHead
	}
	return res, nil
}

// connected is called when there is a connection: from now on the body must move.
func (t *trip) connected(got httptrace.GotConnInfo) {
	inTurn(got)
	if t.body != nil {
		t.clock.start()
	}
}

// wrote is called when the request is written: from now on the head may be late.
func (t *trip) wrote(info httptrace.WroteRequestInfo) {
	if info.Err == nil {
		t.clock.wrote()
	}
}

// informed passes a 1xx answer on.
func (t *trip) informed(pass func(int, textproto.MIMEHeader) error, code int, h textproto.MIMEHeader) error {
	if t.many++; t.many > max1xx {
		return errTooMany1x
	}
	if pass == nil || !t.call.Request.ProtoAtLeast(1, 1) {
		return nil
	}
	t.clock.touch()
	t.told.Store(true)
	clean(http.Header(h), t.call.Route.ResponseHeaders.Remove)
	if t.call.Route.Scheme == route.HTTP {
		return pass(code, h)
	}
	t.telling.begin(func() { _ = pass(code, h) })
	return nil
}

// arrived takes note of the head of an answer, and of its body; it reports whether the head
// is one.
func (t *trip) arrived(res *http.Response) bool {
	switch {
	case res.StatusCode == http.StatusSwitchingProtocols:
		conn, ok := res.Body.(io.ReadWriteCloser)
		if !ok || t.request.Header.Get("Upgrade") == "" || !strings.EqualFold(res.Header.Get("Upgrade"), "websocket") {
			return false
		}
		t.clock.answered(t.call.Route.IdleStreams)
		res.Body = &upgraded{conn, t}
		return true
	case res.StatusCode < 200:
		return false
	}
	t.clock.answered(t.call.Route.IdleStreams || !IsEventStream(res.Header))
	res.Body = &responseBody{res.Body, t, res}
	return true
}

// IsEventStream reports whether an answer is one that may be silent for long.
func IsEventStream(h http.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "text/event-stream")
}
