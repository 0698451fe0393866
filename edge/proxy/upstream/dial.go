package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"weft/edge/route"
)

// A connectError says that no connection could be made: nothing was sent.
type connectError struct{ err error }

func (e *connectError) Error() string { return "connect: " + e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

// An unusable says that this node lacks what it needs to ask a server.
type unusable struct{ error }

func (u *unusable) Unwrap() error { return u.error }

// Protocols of TLS connections (ALPN), and of those that become a WebSocket.
var (
	anyHTTP = []string{"h2", "http/1.1"}
	oldHTTP = []string{"http/1.1"}
)

// dial connects to the server. It belongs to one request, whose context has the call; how
// long it may take is the route's business.
func (s *server) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return s.connect(ctx, func(ctx context.Context) (net.Conn, error) {
		return plain(ctx, network, address, s.transport.Protocols.UnencryptedHTTP2())
	})
}

// plain connects to a server that speaks HTTP/1.1, or HTTP/2 as its requests share the
// connection.
func plain(ctx context.Context, network, address string, shared bool) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	turns := newTurnConn(conn)
	turns.shared = shared
	return turns, nil
}

// dialTLS does so and makes the connection a secure one.
func (s *server) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	return s.connect(ctx, func(ctx context.Context) (net.Conn, error) {
		protocols := anyHTTP
		if c := route.CallOf(ctx); c != nil && c.Upgrade {
			protocols = oldHTTP
		}
		return secure(ctx, network, address, s.credentials, protocols)
	})
}

// secure connects to a server with TLS; c may be nil.
func secure(ctx context.Context, network, address string, c *credentials, protocols []string) (net.Conn, error) {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	cfg, err := c.config(name)
	if err != nil {
		return nil, &unusable{err}
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	cfg.NextProtos = protocols
	turns := newTurnConn(conn)
	client := tls.Client(turns, cfg)
	if err := client.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	turns.shared = client.ConnectionState().NegotiatedProtocol == anyHTTP[0]
	return client, nil
}

// connect bounds an attempt to connect, and learns from it how the server is.
func (s *server) connect(ctx context.Context, dial func(context.Context) (net.Conn, error)) (net.Conn, error) {
	within := ctx
	if c := route.CallOf(ctx); c != nil {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, c.Route.ConnectTimeout)
		defer cancel()
	}
	conn, err := dial(within)
	switch {
	case err == nil:
		if s.health.connected() {
			s.log.Info("a target can be reached again", "target", s.name)
		}
		return conn, nil
	case isUnusable(err):
		return nil, &connectError{err}
	case ctx.Err() != nil: // nobody wants the connection any more
		return nil, err
	}
	if s.health.failed() {
		s.log.Warn("a target cannot be reached and is set aside", "target", s.name, "for", asideTime, "err", err)
	}
	return nil, &connectError{err}
}

func isUnusable(err error) bool {
	_, ok := errors.AsType[*unusable](err)
	return ok
}
