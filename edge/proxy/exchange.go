package proxy

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

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
	allow string // of a 405

	status int   // that the client was told; 0: none yet
	bytes  int64 // of the body
	body   *limitedBody

	mu   sync.Mutex
	head bool     // it is out
	conn net.Conn // of an upgraded connection
}

// exchangeKey is that of an exchange in the context of its request.
type exchangeKey struct{}

// exchangeOf is the exchange that a request for a target belongs to.
func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	if status >= 200 && x.status == 0 {
		x.status = status
		x.mu.Lock()
		x.head = true
		x.mu.Unlock()
		if chunked(x.call.Request) {
			x.Header().Set("Connection", "close")
		}
	}
	x.ResponseWriter.WriteHeader(status)
}

// chunked reports whether a request of HTTP/1 came in chunks; its connection ends with it.
// If there was a Content-Length, too, which net/http takes out before anybody can see it, a
// proxy before Weft may think that the request ends elsewhere, and what follows may be half
// of somebody else's (RFC 9112, section 6.1: such a connection must be closed).
func chunked(r *http.Request) bool { return r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 }

// Write implements http.ResponseWriter.
func (x *exchange) Write(b []byte) (int, error) {
	n, err := x.ResponseWriter.Write(b)
	x.bytes += int64(n)
	return n, err
}

// Hijack implements http.Hijacker: the connection stands in place of the answer.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	x.mu.Lock()
	x.head, x.conn = true, conn
	x.mu.Unlock()
	x.status = http.StatusSwitchingProtocols
	return conn, rw, nil
}

// refuse answers with a problem.
func (x *exchange) refuse(err error) {
	h := x.Header()
	if x.allow != "" {
		h.Set("Allow", x.allow)
	}
	h.Set("X-Request-Id", x.call.RequestID)
	problem.Write(x, err)
}

// forward forwards the request, and returns when it is answered.
func (x *exchange) forward(r *http.Request) {
	call := &x.call
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	call.End = cancel
	if call.Route.Reply != nil {
		var forget func()
		call.Correlation, call.Answer, forget = x.proxy.p.Waiting.Expect()
		defer forget()
	}
	if call.Route.Scheme.IsHTTP() {
		_ = http.NewResponseController(x.ResponseWriter).EnableFullDuplex() // HTTP/2 has no need of it
		httpd.BodyTime(x.ResponseWriter, r, 0)
	}
	ctx = context.WithValue(route.WithCall(ctx, call), exchangeKey{}, x)
	stop := context.AfterFunc(ctx, x.letGo)
	defer stop()
	out := r.WithContext(ctx)
	if r.ContentLength != 0 {
		x.body = &limitedBody{ReadCloser: r.Body, left: call.Route.BodyLimit, limit: call.Route.BodyLimit, end: cancel}
		out.Body = x.body
		defer x.body.release(x.ResponseWriter, r)
	}
	x.proxy.reverse.ServeHTTP(x, out)
}

// partingTime is how long a client may take to read why its request was ended.
const partingTime = 5 * time.Second

// letGo frees who waits for a client, in either direction, when the exchange was ended.
func (x *exchange) letGo() {
	x.mu.Lock()
	head, conn := x.head, x.conn
	x.mu.Unlock()
	past := time.Unix(1, 0)
	if conn != nil {
		_ = conn.SetDeadline(past)
		return
	}
	rc := http.NewResponseController(x.ResponseWriter)
	_ = rc.SetReadDeadline(past)
	if head {
		_ = rc.SetWriteDeadline(past)
		return
	}
	_ = rc.SetWriteDeadline(time.Now().Add(partingTime))
}

// failed answers when there is no answer of a target.
func (p *Proxy) failed(_ http.ResponseWriter, r *http.Request, err error) {
	x, ctx := exchangeOf(r.Context()), r.Context()
	if told, ok := errors.AsType[*problem.Problem](context.Cause(ctx)); ok {
		x.refuse(told)
		return
	}
	if x.call.Request.Context().Err() != nil {
		// Nobody is there to be told, or somebody who said no more and would take silence
		// for 200.
		panic(http.ErrAbortHandler)
	}
	if told, ok := errors.AsType[*problem.Problem](err); ok {
		x.refuse(told)
		return
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		x.refuse(tooLarge(x.call.Route.BodyLimit))
		return
	}
	x.refuse(problem.New(problem.UpstreamUnavailable, "the back end cannot be reached"))
}
