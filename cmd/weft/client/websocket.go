package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// closeReasons are the close codes that end a connection for good, by the
// reason that weft.close has on the other transports.
var closeReasons = map[int]Ended{
	4401: {Reason: "expired"},
	4403: {Reason: "revoked"},
}

// followWebSocket follows over a WebSocket (RFC 6455) with a JSON frame in each
// text message.
func followWebSocket(ctx context.Context, f *Follower, lastID string, emit func(Frame) error) error {
	req, err := f.request(ctx, lastID, url.Values{})
	if err != nil {
		return err
	}
	address := "ws" + strings.TrimPrefix(req.URL.String(), "http")
	dialer := *websocket.DefaultDialer
	if f.TLS != nil {
		dialer.TLSClientConfig = f.TLS.Clone()
	}
	conn, res, err := dialer.DialContext(ctx, address, req.Header)
	if err != nil {
		if res != nil && res.StatusCode != http.StatusSwitchingProtocols {
			return fmt.Errorf("follow: %w", problemOf(res))
		}
		return fmt.Errorf("follow: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	conn.SetReadLimit(maxFrame)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(idleLimit)); err != nil {
			return fmt.Errorf("follow: %w", err)
		}
		_, text, err := conn.ReadMessage()
		if err != nil {
			return closeError(err)
		}
		frame, err := parseFrame(text)
		if err != nil {
			return err
		}
		if err := emit(frame); err != nil {
			return err
		}
	}
}

func closeError(err error) error {
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		if e, ok := closeReasons[closed.Code]; ok {
			return &e
		}
	}
	return fmt.Errorf("follow: %w", err)
}
