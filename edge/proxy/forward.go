package proxy

import (
	"net/http"
	"net/http/httputil"
	"sync"

	"weft/edge/problem"
	"weft/edge/route"
)

// targets dispatches requests to the target of their route's scheme.
type targets map[route.Scheme]http.RoundTripper

// RoundTrip implements http.RoundTripper.
func (t targets) RoundTrip(r *http.Request) (*http.Response, error) {
	target := t[route.CallOf(r.Context()).Route.Scheme]
	if target == nil {
		p := problem.New(problem.UpstreamUnavailable, "this node has no way to the back end")
		p.Status = http.StatusServiceUnavailable
		return nil, p
	}
	res, err := target.RoundTrip(r)
	if err == nil {
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

// respond makes of the target's answer what the client is told.
func (p *Proxy) respond(res *http.Response) error {
	p.p.Upstreams.Response(res, route.CallOf(res.Request.Context()))
	return nil
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
