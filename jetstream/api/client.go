package api

import (
	"fmt"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
)

// A Client is the way to the streams of one account. It is made before there is a
// connection, and handed on; nothing may be asked of it before Open.
type Client struct {
	Conn *nats.Conn
	JS   js.JetStream
	Mux  *Mux
}

// Open lets the client use a connection, which stays the caller's.
func (c *Client) Open(conn *nats.Conn) (err error) {
	c.Conn = conn
	if c.JS, err = js.New(conn); err != nil {
		return fmt.Errorf("open JetStream: %w", err)
	}
	c.Mux, err = NewMux(conn)
	return err
}
