package jetstream

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
func (e *embedded) InProcessConn() (net.Conn, error) {
	srv := e.running()
	if srv == nil {
		return nil, errServerGone
	}
	return srv.InProcessConn()
}

// connect makes a connection within the process, as one of the node's own users. It reconnects by itself, for
// ever, and buffers nothing while it is away.
func (e *embedded) connect(user, name string, opts ...nats.Option) (*nats.Conn, error) {
	conn, err := nats.Connect("", append([]nats.Option{
		nats.InProcessServer(e), nats.Name(e.cfg.Node.Name + " " + name),
		nats.UserInfo(user, e.password), nats.CustomInboxPrefix(nodeInbox),
		nats.MaxReconnects(-1), nats.ReconnectWait(50 * time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.ReconnectBufSize(-1), nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			e.log.Warn("NATS connection", "connection", name, "err", err)
		}),
	}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("connect within the process (%s): %w", name, err)
	}
	return conn, nil
}

// dialRaw connects as a user of this process, under a name.
func (e *embedded) dialRaw(user, name string) (*natsconn.Conn, error) {
	conn, err := e.dial()
	if err != nil {
		return nil, err
	}
	c, err := natsconn.Open(conn, natsconn.Login{User: user, Password: e.password, Name: name})
	if err != nil {
		return nil, fmt.Errorf("connect within the process (%s): %w", name, err)
	}
	return c, nil
}

// dial connects to the server: over its client port, if that can be reached, else by
// the pipe within the process. Into the pipe the server writes each of its buffers by
// itself, of which most hold one message; a socket takes hundreds at once.
func (e *embedded) dial() (net.Conn, error) {
	if u, err := url.Parse(e.clientURL()); err == nil {
		host := u.Hostname()
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			host = "localhost"
		}
		if conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, u.Port()), dialTry); err == nil {
			return conn, nil
		}
	}
	return e.InProcessConn()
}
