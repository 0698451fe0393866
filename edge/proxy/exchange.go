package proxy

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"weft/edge/access"
	"weft/edge/httpd"
	"weft/edge/problem"
	"weft/edge/route"
)

// An exchange is a request and its answer. It is the http.ResponseWriter that the answer
// passes through.
type exchange struct {
	http.ResponseWriter
	proxy *Proxy
	call  route.Call
	lane  *lane // of the route; nil without one
	began time.Time
	guest *access.Guest // nil: the listener counts nobody
	allow string        // of a 405

	// Of the token; zero without one.
	issued, expires time.Time

	// Of a request that was entered among those that run.
	entered bool
	places  [places]place
	ctx     context.Context
	context requestContext // ctx is
	cancel  context.CancelCauseFunc
	unwatch func() bool // ends what waits for the end of ctx; nil: nothing does

	trace     httptrace.ClientTrace // of the request to a target
	informing sync.Mutex            // held while the client is told of a 1xx answer
	informed  bool                  // it is told of none any more

	body      limitedBody
	passing   bool // it is being forwarded
	outcome   outcome
	status    int   // that the client was told; 0: none yet
	bytes     int64 // of the body
	target    string
	timeout   time.Duration // of each write; 0: none
	failedOut bool          // the client did not take what was written
	last      bool          // the answer is the last one of the connection
	doubtful  bool          // so it is, since nobody knows where the request ends

	mu       sync.Mutex
	head     bool     // it is out
	ended    bool     // the exchange was, with a cause
	over     bool     // the handler has returned
	deafened bool     // the client is not listened to any more
	conn     net.Conn // of an upgraded connection
	expiry   *time.Timer
	looking  *time.Timer // whether the client has left; nil: net/http knows that
	gone     atomic.Bool // it was seen to have
}

// exchangeKey is that of an exchange in the context of its request.
type exchangeKey struct{}

// exchangeOf is the exchange that a request for a target belongs to.
func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// enter makes the exchange one that runs and can be ended, and reports false when the
// node stops. Whose it is must be known.
func (x *exchange) enter() bool {
	ctx, cancel := context.WithCancelCause(x.call.Request.Context())
	x.cancel, x.call.End = cancel, x.endWith
	if !x.call.Upgrade {
		x.trace.Got1xxResponse = passage{x}.inform
		ctx = httptrace.WithClientTrace(ctx, &x.trace)
	}
	x.context = requestContext{ctx, x}
	x.ctx = &x.context
	return x.proxy.running.add(x)
}

// endWith is the End of the call.
func (x *exchange) endWith(cause error) {
	x.cancel(cause)
	go x.letGo()
}

// end ends an exchange that has entered. The first cause counts.
func (x *exchange) end(cause error) { x.call.End(cause) }

// known reports whether an exchange is somebody's.
func known(x *exchange) bool { return x.call.User != "" || x.call.Session != "" }

// leave is called when the handler returns, or panics.
func (x *exchange) leave() {
	x.mu.Lock()
	x.over = true
	if x.expiry != nil {
		x.expiry.Stop()
	}
	if x.looking != nil {
		x.looking.Stop()
	}
	x.mu.Unlock()
	if x.entered {
		x.proxy.running.remove(x)
	}
	if x.unwatch != nil {
		x.unwatch()
	}
	if x.cancel != nil {
		x.cancel(context.Canceled)
	}
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	if status >= 200 && x.status == 0 {
		x.status = status
		x.mu.Lock()
		x.head = true
		if x.ended && !x.over && x.passing {
			_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(longAgo)
		}
		x.mu.Unlock()
		if x.doubtful {
			x.Header().Set("Connection", "close")
		}
		if h := x.Header(); h["Content-Type"] == nil {
			h["Content-Type"] = nil // or net/http would guess one
		}
	}
	if status < 200 {
		defer informs(x)()
	}
	x.ResponseWriter.WriteHeader(status)
}

// doubtful reports whether it is in doubt where a request of HTTP/1 ends; its connection
// ends with it. If there was a Content-Length beside the chunks, or over HTTP/1.0 chunks
// beside a Content-Length, a proxy before Weft may think that it ends elsewhere, and what
// follows may be half of somebody else's (RFC 9112, section 6.1: such a connection must be
// closed).
func doubtful(r *http.Request) bool {
	switch {
	case r.ProtoMajor != 1:
		return false
	case r.ProtoMinor == 0:
		return r.ContentLength != 0
	}
	return len(r.TransferEncoding) > 0 && !httpd.OnlyChunked(r)
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(b []byte) (int, error) {
	if x.timeout > 0 {
		_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(time.Now().Add(x.timeout))
	}
	n, err := x.ResponseWriter.Write(b)
	x.bytes += int64(n)
	x.failedOut = x.failedOut || err != nil
	return n, err
}

// Hijack implements http.Hijacker: the connection stands in place of the answer.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	x.status = http.StatusSwitchingProtocols
	x.mu.Lock()
	defer x.mu.Unlock()
	x.head, x.conn = true, conn
	if x.ended {
		_ = conn.SetDeadline(longAgo)
	}
	if early := httpd.Buffered(rw.Reader); len(early) > 0 {
		conn = &eager{conn, early}
	}
	return conn, rw, nil
}

// An eager is the connection of a client that did not wait for the upgrade: what was read
// ahead comes first. httputil.ReverseProxy would lose it.
type eager struct {
	net.Conn
	early []byte
}

// Read implements net.Conn.
func (e *eager) Read(b []byte) (int, error) {
	if len(e.early) == 0 {
		return e.Conn.Read(b)
	}
	n := copy(b, e.early)
	e.early = e.early[n:]
	return n, nil
}

// CloseWrite tells the client that the server has said all.
func (e *eager) CloseWrite() error {
	if c, ok := e.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return http.ErrNotSupported
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// partingTime is how long a client may take to be told why its request was ended.
const partingTime = 5 * time.Second

// letGo frees who waits for the client, in either direction, when the exchange was ended
// with a cause, or the client has left.
func (x *exchange) letGo() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return
	}
	x.ended = true
	if x.conn != nil {
		_ = x.conn.SetDeadline(longAgo)
		return
	}
	rc := http.NewResponseController(x.ResponseWriter)
	// Of a request without a body the server waits for the end of the connection, and
	// is not to be disturbed.
	if x.body.left() {
		x.deafened = true
		_ = rc.SetReadDeadline(longAgo)
	}
	if x.head {
		_ = rc.SetWriteDeadline(longAgo)
		return
	}
	_ = rc.SetWriteDeadline(time.Now().Add(partingTime))
}

// refuse answers with a problem.
func (x *exchange) refuse(err error) {
	p := problem.Of(err)
	x.outcome = outcomeOfProblem(p)
	if p.Code == problem.Internal {
		x.proxy.p.Log.Error("serve a request", "route", x.routeName(), "err", err)
	}
	h := x.Header()
	if x.allow != "" {
		h.Set("Allow", x.allow)
	}
	if x.lane != nil && x.lane.cors != nil {
		cors := access.CORS{Origins: x.lane.cors}
		cors.SetHeaders(h, x.call.Request)
		if h.Get("Access-Control-Allow-Origin") != "" {
			h.Set("Access-Control-Expose-Headers", "Retry-After, X-Request-Id, WWW-Authenticate")
		}
	}
	h.Set("X-Request-Id", x.call.RequestID)
	if x.passing {
		x.passing = false
		x.parting()
	}
	x.setLast(h)
	problem.Write(x, p)
}

// setLast tells the client that the answer is the last one of the connection.
func (x *exchange) setLast(h http.Header) {
	if x.last {
		h.Set("Connection", "close") // over HTTP/2 it becomes a GOAWAY
	}
}

// parting gives up what is left of the request's body. Over HTTP/1 the connection is
// closed then, once the client has had time to read the answer: what is on its way must
// not be taken for a request.
func (x *exchange) parting() {
	x.mu.Lock()
	deafened := x.deafened
	x.mu.Unlock()
	if r := x.call.Request; r.ProtoMajor == 1 && (deafened || x.body.left()) {
		lastOne(x.ResponseWriter)
		// A target may still wait for the client. net/http would wake it, and then wait for
		// the rest without a limit.
		_ = http.NewResponseController(x.ResponseWriter).SetReadDeadline(longAgo)
		x.body.stop()
		httpd.BodyTime(x.ResponseWriter, r, restTime)
	}
}

func (x *exchange) routeName() string {
	if x.call.Route == nil {
		return ""
	}
	return x.call.Route.Name
}
