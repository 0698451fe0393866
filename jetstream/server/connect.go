package server

import (
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/natsconn"
)

// dialTry bounds a try to reach the own client port.
const dialTry = time.Second

// InProcessConn implements nats.InProcessConnProvider for whichever server
// runs at the moment.
func (s *Server) InProcessConn() (net.Conn, error) {
	srv := s.running()
	if srv == nil {
		return nil, errServerGone
	}
	return srv.InProcessConn()
}

// Connect makes a connection within the process, as one of the node's own users. It reconnects by itself, for
// ever, and buffers nothing while it is away.
func (s *Server) Connect(user, name string, opts ...nats.Option) (*nats.Conn, error) {
	conn, err := nats.Connect("", append([]nats.Option{
		nats.InProcessServer(s), nats.Name(s.cfg.Node.Name + " " + name),
		nats.UserInfo(user, s.own.password), nats.CustomInboxPrefix(NodeInbox),
		nats.MaxReconnects(-1), nats.ReconnectWait(50 * time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.ReconnectBufSize(-1), nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			s.limited.Warn("NATS connection "+name, "NATS connection", "connection", name, "err", err)
		}),
	}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("connect within the process (%s): %w", name, err)
	}
	return conn, nil
}

// Dial connects as one of the node's own users, under a name: over the client port, if
// that can be reached, else by the pipe within the process. Into the pipe the server
// writes each of its buffers by itself, of which most hold one message; a socket takes
// hundreds at once.
func (s *Server) Dial(user, name string) (*natsconn.Conn, error) {
	conn, err := dialSocket(s.ClientURL())
	if err != nil {
		conn, err = s.InProcessConn()
	}
	if err != nil {
		return nil, err
	}
	c, err := natsconn.Open(conn, natsconn.Login{User: user, Password: s.own.password, Name: name})
	if err != nil {
		return nil, fmt.Errorf("connect within the process (%s): %w", name, err)
	}
	return c, nil
}

// dialSocket connects to the port for clients.
func dialSocket(clientURL string) (net.Conn, error) {
	u, err := url.Parse(clientURL)
	if err != nil {
		return nil, err
	}
	host := u.Hostname()
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.DialTimeout("tcp", net.JoinHostPort(host, u.Port()), dialTry)
}
