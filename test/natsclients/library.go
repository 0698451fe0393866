package natsclients

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
)

// connect connects with nats.go. Errors of the connection go into troubles.
func connect(l Login, troubles chan<- error) (*nats.Conn, error) {
	options := []nats.Option{nats.Timeout(20 * time.Second), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { troubles <- err })}
	if l.User != "" {
		options = append(options, nats.UserInfo(l.User, l.Password))
	}
	if l.InboxPrefix != "" {
		options = append(options, nats.CustomInboxPrefix(l.InboxPrefix))
	}
	return nats.Connect(l.URL, options...)
}

// messageOf is what a request wants to be published.
func messageOf(r Request) *nats.Msg {
	m := &nats.Msg{Subject: r.Subject, Data: r.payload()}
	for name, value := range r.Headers {
		if m.Header == nil {
			m.Header = nats.Header{}
		}
		m.Header.Set(name, value)
	}
	return m
}

// send publishes and waits until the server has it, not for an answer.
func send(ctx context.Context, nc *nats.Conn, r Request) error {
	if err := nc.PublishMsg(messageOf(r)); err != nil {
		return err
	}
	return nc.FlushWithContext(ctx)
}

// serve answers what comes on a subject until the connection is closed.
func serve(ctx context.Context, nc *nats.Conn, r Request) error {
	_, err := nc.QueueSubscribe(r.Subject, "services", func(m *nats.Msg) {
		answer := messageOf(r)
		answer.Subject = ""
		_ = m.RespondMsg(answer) // who asks sees that none comes
	})
	return errors.Join(err, nc.FlushWithContext(ctx))
}

func nextTrouble(ctx context.Context, troubles <-chan error) (Answer, error) {
	select {
	case err := <-troubles:
		return Answer{Text: err.Error()}, nil
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}

var (
	errOp    = errors.New("no such operation")
	errWatch = errors.New("the watch has ended")
)
