package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"weft/config"
	"weft/edge/httpd"
)

const (
	// headerTime bounds how long a request's head may take to arrive, and before it
	// the handshake of TLS.
	headerTime = 5 * time.Second
	// idleTime is how long an unused connection is kept.
	idleTime = 2 * time.Minute
	// bodyTime bounds how long a request's body may take to arrive.
	bodyTime = 30 * time.Second
	// maxHead bounds a request's head in bytes: a token and a long cursor fit.
	maxHead = 32 << 10
)

// A listener is one address and its server.
type listener struct {
	key    string // of the configuration
	socket net.Listener
	public *httpd.Listener // nil: it takes everybody's connections
	server *http.Server
	tls    bool
}

// listen opens addr. There is no time limit on answers: streams bound each of
// their writes.
func listen(key, addr string, h http.Handler, e *Edge) (*listener, error) {
	lc := net.ListenConfig{Control: socketOptions, KeepAlive: keepAlive}
	socket, err := lc.Listen(e.inner, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (%s): %w", addr, key, err)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true) // behind a proxy
	return &listener{key: key, socket: socket, server: &http.Server{
		Handler:           timed(flushed(h, e.cfg.Public.WriteTimeout), bodyTime),
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHead,
		Protocols:         &protocols,
		// A stream that is given up is over only when the connection has taken
		// that: who reads nothing at all, or does not answer, loses the connection.
		HTTP2: &http.HTTP2Config{
			WriteByteTimeout: e.cfg.Public.WriteTimeout,
			SendPingTimeout:  e.cfg.Public.Keepalive, PingTimeout: e.cfg.Public.WriteTimeout,
		},
		ErrorLog:    e.blame.server(strings.TrimSuffix(key, ".listen")),
		BaseContext: func(net.Listener) context.Context { return e.inner },
	}}, nil
}

// timed bounds how long the body of a request may take to arrive, also of one
// that h refuses unread: the server reads what is left before it answers. A
// handler that takes long bodies sets a read deadline of its own.
func timed(h http.Handler, limit time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 { // -1: unknown
			// The writers of net/http all have read deadlines.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limit))
		}
		h.ServeHTTP(w, r)
	})
}

// flushed bounds how long what a handler has left in buffers may take to be taken.
// Without it who lets no answer through, over HTTP/2 by granting no window, could
// keep the goroutines of refused requests for ever.
func flushed(h http.Handler, limit time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if r.ProtoMajor == 1 { // from the request before
			_ = rc.SetWriteDeadline(time.Time{})
		}
		h.ServeHTTP(w, r)
		_ = rc.SetWriteDeadline(time.Now().Add(limit))
	})
}

// host makes the listener one for strangers, who come and go as h wants it. It must be
// called before serve, and after secure.
func (e *Edge) host(l *listener, h http.Handler) {
	tcp, ok := l.socket.(*net.TCPListener)
	if !ok {
		return
	}
	poller := e.poller
	if l.tls {
		poller = nil
	}
	l.public = httpd.NewListener(tcp, httpd.Config{
		Poller: poller, Handler: h, Path: pathEvents, Workers: maxJoining, Arrive: e.gate.welcomes, Draining: e.draining.Load,
		Limits: httpd.Limits{Header: headerTime, Idle: idleTime, Silent: silentTime, Read: readTime, Drain: graceKeep},
		Panicked: func(p any, stack []byte) {
			e.blame.panicked(onPublic, "panic", p, "stack", string(stack))
		},
	})
	httpd.Host(l.server)
}

// secure loads the certificate.
func (l *listener) secure(files *config.KeyPair) error {
	if files == nil {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return fmt.Errorf("load public.tls: %w", err)
	}
	l.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	l.tls = true
	return nil
}

// serve returns nil when the listener was closed.
func (l *listener) serve() error {
	socket, serve := l.socket, l.server.Serve
	var taking sync.WaitGroup
	var failed error
	if l.public != nil {
		socket = l.public
		taking.Go(func() {
			failed = l.public.Run()
			_ = l.public.Close()
		})
	}
	if l.tls {
		serve = func(s net.Listener) error { return l.server.ServeTLS(s, "", "") }
	}
	err := serve(socket)
	taking.Wait()
	switch {
	case failed != nil:
		return fmt.Errorf("serve %s: %w", l.key, failed)
	case !errors.Is(err, http.ErrServerClosed):
		return fmt.Errorf("serve %s: %w", l.key, err)
	}
	return nil
}

// close lets running requests finish until ctx ends.
func (l *listener) close(ctx context.Context) error {
	err := l.server.Shutdown(ctx)
	if err != nil {
		err = l.server.Close()
	}
	_ = l.socket.Close() // when it was never served
	return err
}
