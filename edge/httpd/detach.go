package httpd

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"time"

	"weft/edge/netpoll"
)

// ErrAttached is returned for a connection that cannot be detached from who serves it:
// it has TLS or HTTP/2, there is no poller, or somebody has it already.
var ErrAttached = errors.New("the connection cannot be detached")

// Of is the Response that w is, or stands before; nil when it is net/http's.
func Of(w http.ResponseWriter) *Response {
	for {
		switch t := w.(type) {
		case *Response:
			return t
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return nil
		}
	}
}

// Detachable reports whether Detach can take the connection of a request.
func Detachable(w http.ResponseWriter, r *http.Request) bool {
	return Of(w) != nil || detachable(r) != nil
}

// detachable is the connection of a request of net/http's that can be detached, nil
// when it cannot.
func detachable(r *http.Request) *prefixedConn {
	p, ok := r.Context().Value(connKey{}).(*prefixedConn)
	if !ok || p.listener.cfg.Poller == nil || r.TLS != nil || r.ProtoMajor != 1 {
		return nil
	}
	return p
}

// Detach gives the connection of a request to a client of the poller, for good; no
// response must have been begun. Who serves the request, here or in net/http, has
// nothing to do with the connection any more. With ErrAttached nothing has happened;
// after another error the connection is closed, and the client has heard nothing.
func Detach(w http.ResponseWriter, r *http.Request, client netpoll.Client) (*netpoll.Conn, error) {
	if own := Of(w); own != nil {
		if own.taken {
			return nil, fmt.Errorf("%w: %w", ErrAttached, http.ErrHijacked)
		}
		return own.become(client), nil
	}
	p := detachable(r)
	if p == nil {
		return nil, ErrAttached
	}
	_, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAttached, err)
	}
	_ = p.SetDeadline(time.Time{})
	c, err := p.listener.cfg.Poller.Attach(p.TCPConn, append(Buffered(rw.Reader), p.read...), client, p.guest.Closed())
	if err != nil {
		_ = p.Close()
	}
	return c, err
}

// Buffered is a copy of what r has read ahead.
func Buffered(r *bufio.Reader) []byte {
	b, _ := r.Peek(r.Buffered())
	return bytes.Clone(b)
}

// GuestOf is whose request it is; nil when its connection is of no Listener.
func GuestOf(w http.ResponseWriter, r *http.Request) Guest {
	if own := Of(w); own != nil {
		return own.conn.guest
	}
	if p, ok := r.Context().Value(connKey{}).(*prefixedConn); ok {
		return p.guest
	}
	return nil
}

// ReceivedAt is when a request's head was received, if that is known, or else now. A
// request that is read here may have waited for a goroutine since.
func ReceivedAt(w http.ResponseWriter) time.Time {
	if own := Of(w); own != nil {
		return own.conn.read
	}
	return time.Now()
}
