package upstream

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weft/edge/route"
)

// max1xx bounds how many 1xx answers precede an answer.
const max1xx = 100

// A trip is the way of a request to a server and of the answer back, over as many targets
// as are tried.
type trip struct {
	request *http.Request
	call    *route.Call
	ctx     context.Context
	cancel  context.CancelCauseFunc
	body    *requestBody // nil: the request has none
	idle    idle
	told    atomic.Bool // the client has seen a 1xx
	many    int         // 1xx answers

	mu   sync.Mutex
	head bool        // it has come
	late *time.Timer // ends the trip when the head does not come
}

// newTrip begins a trip.
func newTrip(r *http.Request, call *route.Call) *trip {
	t := &trip{request: r, call: call}
	t.ctx, t.cancel = context.WithCancelCause(r.Context())
	t.idle = idle{limit: call.Route.IdleTimeout, end: t.stuck}
	if r.Body != nil && r.Body != http.NoBody {
		t.body = &requestBody{body: r.Body, trip: t}
	}
	// ReverseProxy has made a trace for this request alone, to pass on 1xx answers.
	trace := httptrace.ContextClientTrace(t.ctx)
	if trace == nil {
		trace = &httptrace.ClientTrace{}
		t.ctx = httptrace.WithClientTrace(t.ctx, trace)
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
	r := t.request.WithContext(t.ctx)
	u := *r.URL
	u.Scheme, u.Host = "http", c.host
	if t.call.Route.Scheme == route.HTTPS {
		u.Scheme = "https"
	}
	r.URL = &u
	if t.body != nil {
		r.Body = t.body
	}
	if secret := c.server.credentials; secret != nil && len(secret.headers) > 0 {
		r.Header = maps.Clone(r.Header)
		maps.Copy(r.Header, secret.headers)
	}
	res, err := c.server.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if !t.arrived(res) {
		t.cancel(errBadHead)
		_ = res.Body.Close()
		return nil, errBadHead
	}
	return res, nil
}

// connected is called when there is a connection: from now on the body must move.
func (t *trip) connected(httptrace.GotConnInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.body != nil && !t.head {
		t.idle.start()
	}
}

// wrote is called when the request is written: from now on the head may be late.
func (t *trip) wrote(info httptrace.WroteRequestInfo) {
	if info.Err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.head {
		return
	}
	t.idle.pause()
	if t.late == nil {
		t.late = time.AfterFunc(t.call.Route.Timeout, func() { t.cancel(errHeadLate) })
	} else {
		t.late.Reset(t.call.Route.Timeout)
	}
}

// informed passes a 1xx answer on.
func (t *trip) informed(pass func(int, textproto.MIMEHeader) error, code int, h textproto.MIMEHeader) error {
	if t.many++; t.many > max1xx {
		t.cancel(errTooMany1x)
		return errTooMany1x
	}
	if pass == nil || !t.call.Request.ProtoAtLeast(1, 1) {
		return nil
	}
	t.idle.touch()
	t.told.Store(true)
	clean(http.Header(h), t.call.Route.ResponseHeaders.Remove)
	return pass(code, h)
}

// arrived takes note of the head of an answer, and of its body; it reports whether the head
// is one.
func (t *trip) arrived(res *http.Response) bool {
	t.mu.Lock()
	t.head = true
	if t.late != nil {
		t.late.Stop()
	}
	t.mu.Unlock()
	switch {
	case res.StatusCode == http.StatusSwitchingProtocols:
		conn, ok := res.Body.(io.ReadWriteCloser)
		if !ok || t.request.Header.Get("Upgrade") == "" || !strings.EqualFold(res.Header.Get("Upgrade"), "websocket") {
			return false
		}
		t.watch(t.call.Route.IdleStreams)
		res.Body = &upgraded{conn, t}
		return true
	case res.StatusCode < 200:
		return false
	}
	t.watch(t.call.Route.IdleStreams || !isEventStream(res.Header))
	res.Body = &responseBody{res.Body, t, res}
	return true
}

// watch says whether something must move from now on.
func (t *trip) watch(yes bool) {
	if yes {
		t.idle.start()
	} else {
		t.idle.stop()
	}
}

// end ends the trip, for whatever cause.
func (t *trip) end(cause error) {
	t.mu.Lock()
	t.head = true
	if t.late != nil {
		t.late.Stop()
	}
	t.mu.Unlock()
	t.idle.stop()
	t.cancel(cause)
}

// isEventStream reports whether an answer is one that may be silent for long.
func isEventStream(h http.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "text/event-stream")
}
