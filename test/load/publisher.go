package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// A publisher sends events into a server.
type publisher interface {
	// publish sends one; it may return before the server has it.
	publish(ctx context.Context, subject uint32, payload []byte) error
	close()
}

// openPublisher understands nats://host:port/subject and http://…; {i} in it is
// the number of the subject and {user} the name of the user of that number.
func openPublisher(template string) (publisher, error) {
	fill := func(s string, i uint32) string {
		return strings.NewReplacer("{i}", strconv.Itoa(int(i)), "{user}", userName(int(i))).Replace(s)
	}
	scheme, rest, _ := strings.Cut(template, "://")
	switch scheme {
	case "nats":
		address, subject, ok := strings.Cut(rest, "/")
		if !ok || subject == "" {
			return nil, fmt.Errorf("%q names no subject: nats://host:port/subject", template)
		}
		conn, err := nats.Connect("nats://"+address, nats.Timeout(5*time.Second), nats.NoReconnect())
		if err != nil {
			return nil, fmt.Errorf("connect to %s: %w", address, err)
		}
		return &natsPublisher{conn: conn, subject: func(i uint32) string { return fill(subject, i) }}, nil
	case "http":
		return &httpPublisher{
			url:    func(i uint32) string { return fill(template, i) },
			client: http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}},
		}, nil
	}
	return nil, fmt.Errorf("publish to %q: it does not begin with nats:// or http://", template)
}

// userName is the name of user i.
func userName(i int) string { return "u" + strconv.Itoa(i) }

// natsPublisher publishes without acknowledgements: that the event is delivered
// tells that it was stored.
type natsPublisher struct {
	conn    *nats.Conn
	subject func(uint32) string
}

func (p *natsPublisher) publish(_ context.Context, subject uint32, payload []byte) error {
	return p.conn.Publish(p.subject(subject), payload)
}

func (p *natsPublisher) close() { p.conn.Close() }

type httpPublisher struct {
	client http.Client
	url    func(uint32) string
}

func (p *httpPublisher) publish(ctx context.Context, subject uint32, payload []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url(subject), bytes.NewReader(payload))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := p.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("publish: %s", response.Status)
	}
	return nil
}

func (p *httpPublisher) close() { p.client.CloseIdleConnections() }
