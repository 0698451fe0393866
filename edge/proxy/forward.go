package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"time"

	"weft/edge/access"
	"weft/edge/httpd"
	"weft/edge/problem"
	"weft/edge/proxy/upstream"
	"weft/edge/route"
)

// forward forwards the request, and returns when it is answered.
func (x *exchange) forward() {
	if !x.entered && !x.enter() {
		x.refuse(stopping())
		return
	}
	call := &x.call
	r, p := call.Request, x.proxy
	stayed, last := httpd.Stay(r)
	defer stayed()
	x.last, x.passing = last, true
	scheme := call.Route.Scheme
	running, duration := p.metrics.running[scheme], p.metrics.duration[scheme]
	running.Inc()
	defer func() {
		running.Dec()
		duration.Observe(time.Since(x.began).Seconds())
	}()
	switch {
	case call.Route.Reply != nil:
		var forget func()
		call.Correlation, call.Answer, forget = p.p.Waiting.Expect()
		defer forget()
	case scheme == route.Kafka:
		call.Correlation = p.p.Waiting.NewCorrelation()
	}
	if call.Upgrade || strings.Contains(r.Header.Get("Accept"), eventStream) {
		x.expire()
	}
	if !scheme.IsHTTP() {
		x.timeout = p.p.WriteTimeout
	}
	out := r.WithContext(x.ctx)
	if r.ContentLength != 0 {
		if scheme.IsHTTP() {
			_ = http.NewResponseController(x.ResponseWriter).EnableFullDuplex() // HTTP/2 has no need of it
			httpd.BodyTime(x.ResponseWriter, r, 0)
		}
		x.mu.Lock() // letGo looks at it
		x.body.ReadCloser, x.body.end = r.Body, call.End
		x.body.room, x.body.limit = call.Route.BodyLimit, call.Route.BodyLimit
		x.mu.Unlock()
		out.Body = &x.body
		if r.ProtoMajor == 1 {
			lookAfter(x)
		}
		defer func() {
			x.parting()
			_ = x.body.Close() // who is late must not read what is not ours any more
		}()
	}
	if call.Upgrade {
		passage{x}.watch()
		p.reverse.ServeHTTP(x, out)
		return
	}
	passage{x}.pass(out)
}

// expire ends the exchange when its token ends.
func (x *exchange) expire() {
	if x.expires.IsZero() || x.expiry != nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.expiry = time.AfterFunc(time.Until(x.expires), func() { x.end(expired()) })
}

// targets dispatches requests to the target of their route's scheme.
type targets map[route.Scheme]http.RoundTripper

// RoundTrip implements http.RoundTripper.
func (t targets) RoundTrip(r *http.Request) (*http.Response, error) {
	x := exchangeOf(r.Context())
	target := t[x.call.Route.Scheme]
	if target == nil {
		p := problem.New(problem.UpstreamUnavailable, "this node has no way to the back end")
		p.Status = http.StatusServiceUnavailable
		return nil, p
	}
	res, err := target.RoundTrip(r)
	if err == nil {
		if sent := res.Request; sent != nil && sent.URL != nil && sent.URL.Host != "" {
			x.target = sent.URL.Scheme + "://" + sent.URL.Host
		}
		res.Request = r // by which respond finds the exchange
	}
	return res, err
}

// rewrite makes of the client's request what the target is sent.
func (p *Proxy) rewrite(pr *httputil.ProxyRequest) {
	x := exchangeOf(pr.In.Context())
	if x.call.Route.Scheme.IsHTTP() {
		p.p.Upstreams.Rewrite(pr.Out, &x.call)
		return
	}
	pr.Out.Header = x.call.MessageHeader()
}

const eventStream = "text/event-stream"

// respond makes of the target's answer what the client is told.
func (p *Proxy) respond(res *http.Response) error {
	x := exchangeOf(res.Request.Context())
	if x.ctx.Err() != nil { // it was ended while the head was on its way
		return context.Cause(x.ctx)
	}
	p.p.Upstreams.Response(res, &x.call)
	x.share(res.Header)
	if upstream.IsEventStream(res.Header) {
		x.timeout = p.p.WriteTimeout
		x.expire()
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		x.Header().Del("Connection")
		x.expire()
		return nil
	}
	x.setLast(x.Header())
	return nil
}

// share sets the CORS headers of an answer in place of the back end's, if the route has
// cors: permitted pages may read all of it.
func (x *exchange) share(h http.Header) {
	if x.lane.cors == nil {
		return
	}
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			delete(h, name)
		}
	}
	names := make([]string, 0, len(h))
	for name := range h {
		if name != "Set-Cookie" && name != "Vary" {
			names = append(names, name)
		}
	}
	cors := access.CORS{Origins: x.lane.cors}
	cors.SetHeaders(h, x.call.Request)
	if h.Get("Access-Control-Allow-Origin") != "" {
		slices.Sort(names)
		h.Set("Access-Control-Expose-Headers", strings.Join(names[:min(len(names), mostExposed)], ", "))
	}
}

// mostExposed bounds how many headers of an answer a page of another origin may read.
const mostExposed = 64

// failed is told by ReverseProxy that there is no answer of a target.
func (p *Proxy) failed(_ http.ResponseWriter, r *http.Request, err error) {
	p.fail(exchangeOf(r.Context()), err)
}

// fail answers an exchange without an answer of a target.
func (p *Proxy) fail(x *exchange, err error) {
	if x.status != 0 {
		panic(http.ErrAbortHandler) // after the head
	}
	if told, ok := errors.AsType[*problem.Problem](context.Cause(x.ctx)); ok {
		x.refuse(told)
		return
	}
	if left(x) {
		x.outcome = clientGone
		panic(http.ErrAbortHandler) // nobody is there to be told
	}
	if broken := x.body.broken.Load(); broken != nil {
		x.refuse(brokenBody(*broken))
		return
	}
	if told, ok := errors.AsType[*problem.Problem](err); ok {
		x.refuse(told)
		return
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		x.refuse(tooLarge(x.call.Route.BodyLimit))
		return
	}
	p.p.Log.Debug("forward a request", "route", x.routeName(), "err", err)
	x.refuse(problem.New(problem.UpstreamUnavailable, "the back end cannot be reached"))
}

// brokenBody is what is wrong with a body that could not be read to its end.
func brokenBody(err error) error {
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		p := problem.New(problem.BadRequest, "the body of the request came too slowly")
		p.Status = http.StatusRequestTimeout
		return p
	}
	return problem.New(problem.BadRequest, "the body of the request is broken off")
}

// buffers are used again for the bodies of answers.
type buffers struct{ pool sync.Pool }

// bufferSize is that of ReverseProxy's own.
const bufferSize = 32 << 10

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return p[:]
	}
	return make([]byte, bufferSize)
}

// Put implements httputil.BufferPool.
func (b *buffers) Put(p []byte) { b.pool.Put((*[bufferSize]byte)(p)) }
