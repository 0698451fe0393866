package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"weft/edge/proxy/upstream"
	"weft/edge/route"
)

// smallAnswer is how long the body of an answer may be that net/http keeps until the handler
// returns, in bytes: nobody waits for the client meanwhile.
const smallAnswer = 2 << 10

// A passage is an exchange on its way to the target and back.
type passage struct{ *exchange }

// pass forwards a request that asks for no upgrade, and answers it. It does what
// httputil.ReverseProxy would, but copies nothing that is made anew afterwards, which is half
// of what a request costs that one; out is a copy of the client's request with a body and a
// context of its own.
func (x passage) pass(out *http.Request) {
	p, in := x.proxy, x.call.Request
	out.Close = false
	if in.ContentLength == 0 {
		out.Body = nil // so that the request can be sent again
	}
	if x.call.Route.Scheme.IsHTTP() {
		more := fromUs + len(x.call.Route.RequestHeaders.Set)
		if x.call.User != "" {
			more += 2 // the session, too
		}
		out.Header = endToEnd(in.Header, more)
		p.p.Upstreams.Rewrite(out, &x.call)
		if out.Header["User-Agent"] == nil {
			out.Header["User-Agent"] = []string{""} // or net/http would send its own
		}
	} else {
		out.Header = x.call.MessageHeader()
	}
	res, err := p.targets.RoundTrip(out)
	x.informing.Lock()
	x.informed = true
	x.informing.Unlock()
	if err == nil {
		if err = errUpgraded; res.StatusCode != http.StatusSwitchingProtocols {
			err = p.respond(res)
		}
		if err != nil {
			_ = res.Body.Close()
		}
	}
	if err != nil {
		p.fail(x.exchange, err)
		return
	}
	x.answer(res)
}

// watch makes a client that has left free who writes to it. Who reads from it is told so by
// its connection.
func (x passage) watch() {
	if x.unwatch == nil {
		x.unwatch = context.AfterFunc(x.ctx, x.letGo)
	}
}

// errUpgraded is of an answer that switches protocols, which nobody asked for.
var errUpgraded = errors.New("the protocol was switched without being asked")

// fromUs is how many headers any request gets from Weft.
const fromUs = 6

// endToEnd are the headers of a request that do not end with its connection (RFC 9110, section
// 7.6.1), in a map with room for more: one that grows costs as much as all the rest. Their
// values are shared. The length is a field of the request.
func endToEnd(from http.Header, more int) http.Header {
	room := len(from) + more
	if from["Content-Length"] != nil {
		room--
	}
	h := make(http.Header, room)
	for name, values := range from {
		if name != "Content-Length" && !upstream.HopByHop(name) {
			h[name] = values
		}
	}
	for _, line := range from["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			delete(h, http.CanonicalHeaderKey(textproto.TrimString(name)))
		}
	}
	for _, line := range from["Te"] {
		for token := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(textproto.TrimString(token), "trailers") {
				h["Te"] = []string{"trailers"} // which we understand, too
			}
		}
	}
	return h
}

// inform tells the client of a 1xx answer, unless the one that counts has come.
func (x passage) inform(status int, from textproto.MIMEHeader) error {
	x.informing.Lock()
	defer x.informing.Unlock()
	if x.informed {
		return nil
	}
	h := x.Header()
	addAll(h, http.Header(from))
	x.WriteHeader(status)
	clear(h) // which net/http does not do
	return nil
}

// addAll adds headers to others. Values are shared.
func addAll(to, from http.Header) {
	for name, values := range from {
		if before := to[name]; before != nil {
			values = append(before, values...)
		}
		to[name] = values[:len(values):len(values)]
	}
}

// answer tells the client what respond has made of a target's answer. When it cannot be told
// to its end, the connection is aborted, so that it is not taken for the whole.
func (x passage) answer(res *http.Response) {
	h := x.Header()
	addAll(h, res.Header)
	announced := len(res.Trailer)
	if announced > 0 {
		names := make([]string, 0, announced)
		for name := range res.Trailer {
			names = append(names, name)
		}
		h.Add("Trailer", strings.Join(names, ", "))
	}
	promptly := res.ContentLength < 0 || upstream.IsEventStream(res.Header)
	if promptly || res.ContentLength > smallAnswer {
		x.watch()
	}
	x.WriteHeader(res.StatusCode)
	if err := x.copyBody(res.Body, promptly); err != nil {
		_ = res.Body.Close()
		x.proxy.p.Log.Debug("an answer was broken off", "route", x.routeName(), "err", err)
		panic(http.ErrAbortHandler)
	}
	_ = res.Body.Close() // now the trailers are there
	if len(res.Trailer) > 0 {
		// Without that a short body would get a length, and no trailers.
		_ = http.NewResponseController(x.ResponseWriter).Flush()
	}
	if len(res.Trailer) == announced {
		addAll(h, res.Trailer)
		return
	}
	for name, values := range res.Trailer {
		for _, v := range values {
			h.Add(http.TrailerPrefix+name, v)
		}
	}
}

// copyBody copies the body of an answer to the client; promptly: as soon as something is
// there, and the head if nothing is yet.
func (x passage) copyBody(from io.Reader, promptly bool) error {
	if !promptly {
		return x.copyAll(from, x.Write)
	}
	var writing sync.Mutex
	over := false
	flush := http.NewResponseController(x.ResponseWriter).Flush
	head := time.AfterFunc(0, func() {
		writing.Lock()
		defer writing.Unlock()
		if !over {
			_ = flush()
		}
	})
	defer func() {
		head.Stop()
		writing.Lock()
		defer writing.Unlock()
		over = true
	}()
	return x.copyAll(from, func(b []byte) (int, error) {
		writing.Lock()
		defer writing.Unlock()
		n, err := x.Write(b)
		if err == nil {
			_ = flush() // the next Write tells what was wrong
		}
		return n, err
	})
}

// copyAll copies by a buffer that is used again.
func (x passage) copyAll(from io.Reader, write func([]byte) (int, error)) error {
	buffer := x.proxy.buffers.Get()
	defer x.proxy.buffers.Put(buffer)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, wrong := write(buffer[:n]); wrong != nil {
				return wrong
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// A requestContext is the context of an exchange's request, by which it and its call are
// found.
type requestContext struct {
	context.Context
	exchange *exchange
}

// Value implements context.Context.
func (c *requestContext) Value(key any) any {
	switch key.(type) {
	case exchangeKey:
		return c.exchange
	case route.CallKey:
		return &c.exchange.call
	}
	return c.Context.Value(key)
}
