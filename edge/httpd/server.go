package httpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
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
	// bodyAhead bounds what a request of HTTP/2 may send ahead of who takes its body, in
	// bytes. That of a connection is 1 MiB, so that one which is not taken does not hold
	// up the others.
	bodyAhead = 256 << 10
)

// ServerConfig is what a Server needs to know.
type ServerConfig struct {
	// Name stands in errors: the key of the configuration that has the address.
	Name string
	// Addr is host:port.
	Addr    string
	Handler http.Handler
	// TLS, when set, serves HTTPS.
	TLS *tls.Config
	// WriteTimeout is how long a client may take nothing of what is written to it.
	WriteTimeout time.Duration
	// PingEvery is how long a silent connection of HTTP/2 is believed to be there.
	PingEvery time.Duration
	ErrorLog  *log.Logger
	// Guests, when set, is how connections are let in and served without net/http. Its
	// Handler is the server's unless it is set; with TLS it has no Poller.
	Guests *Config
}

// A Server is one address, with all that serves it: net/http's server, and a Listener
// before it if there are Guests.
type Server struct {
	cfg      ServerConfig
	socket   net.Listener
	listener *Listener // nil: net/http has all connections
	server   *http.Server
}

// Listen opens the address of a Server; requests of net/http's have a context of ctx.
// There is no time limit on answers: streams bound each of their writes.
func Listen(ctx context.Context, cfg ServerConfig) (*Server, error) {
	lc := net.ListenConfig{Control: socketOptions, KeepAlive: keepAlive}
	socket, err := lc.Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (%s): %w", cfg.Addr, cfg.Name, err)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true) // behind a proxy
	s := &Server{cfg: cfg, socket: socket, server: &http.Server{
		Handler:           timed(flushed(cfg.Handler, cfg.WriteTimeout), bodyTime),
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHead,
		Protocols:         &protocols,
		TLSConfig:         cfg.TLS,
		// OPTIONS * is for the handler to answer, as all others.
		DisableGeneralOptionsHandler: true,
		// A stream that is given up is over only when the connection has taken
		// that: who reads nothing at all, or does not answer, loses the connection.
		HTTP2: &http.HTTP2Config{
			WriteByteTimeout: cfg.WriteTimeout,
			SendPingTimeout:  cfg.PingEvery, PingTimeout: cfg.WriteTimeout,
			MaxReceiveBufferPerStream: bodyAhead,
		},
		ErrorLog:    cfg.ErrorLog,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}}
	if cfg.Guests != nil {
		s.letIn(*cfg.Guests, socket.(*net.TCPListener))
	}
	return s, nil
}

// letIn puts a Listener before net/http.
func (s *Server) letIn(guests Config, socket *net.TCPListener) {
	if guests.Handler == nil {
		guests.Handler = s.cfg.Handler
	}
	if s.cfg.TLS != nil {
		guests.Poller = nil
	}
	s.listener = NewListener(socket, guests)
	Observe(s.server)
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.socket.Addr() }

// timed bounds how long the body of a request may take to arrive, also of one
// that h refuses unread. A handler may set a limit of its own, by BodyTime.
func timed(h http.Handler, limit time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		BodyTime(w, r, limit)
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

// Serve serves until Close, then returns nil, or until the address fails.
func (s *Server) Serve() error {
	socket, serve := s.socket, s.server.Serve
	var taking sync.WaitGroup
	var failed error
	if s.listener != nil {
		socket = s.listener
		taking.Go(func() {
			failed = s.listener.Run()
			_ = s.listener.Close()
		})
	}
	if s.cfg.TLS != nil {
		serve = func(l net.Listener) error { return s.server.ServeTLS(l, "", "") }
	}
	err := serve(socket)
	if s.listener != nil { // which net/http does not close when it cannot begin
		_ = s.listener.Close()
	}
	taking.Wait()
	switch {
	case failed != nil:
		return fmt.Errorf("serve %s: %w", s.cfg.Name, failed)
	case !errors.Is(err, http.ErrServerClosed):
		return fmt.Errorf("serve %s: %w", s.cfg.Name, err)
	}
	return nil
}

// Close lets running requests finish until ctx ends.
func (s *Server) Close(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = s.server.Close()
	}
	_ = s.socket.Close() // when it was never served
	return err
}
