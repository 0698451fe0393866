package client

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// A Socket is a Stream over WebSocket that can send commands, too.
type Socket struct {
	conn *websocket.Conn
	stop func() bool

	write sync.Mutex
}

func openWebSocket(ctx context.Context, target Target) (*Socket, error) {
	dialer := websocket.Dialer{HandshakeTimeout: 20 * time.Second, Subprotocols: []string{"weft.v1"}}
	if target.Token != "" {
		dialer.Subprotocols = append(dialer.Subprotocols, "bearer."+target.Token)
	}
	conn, answer, err := dialer.DialContext(ctx, target.url("ws"), http.Header{})
	if err != nil {
		if answer != nil {
			defer answer.Body.Close()
			return nil, statusError(answer)
		}
		return nil, err
	}
	s := &Socket{conn: conn}
	s.stop = context.AfterFunc(ctx, func() { conn.Close() })
	return s, nil
}

// Next returns the next frame as an event; answers to commands are events of the
// type "answer" whose data is the frame.
func (s *Socket) Next() (Event, error) {
	_, data, err := s.conn.ReadMessage()
	if err != nil {
		return Event{}, err
	}
	var f Frame
	if err := json.Unmarshal(data, &f); err != nil {
		return Event{}, err
	}
	if f.Ref != "" || f.OK || f.Error != nil {
		return Event{Type: "answer", Data: data}, nil
	}
	return f.event()
}

// Send sends a command. It may be called while another goroutine is in Next.
func (s *Socket) Send(command any) error {
	s.write.Lock()
	defer s.write.Unlock()
	return s.conn.WriteJSON(command)
}

// Retry is 0: over a WebSocket there is no such wish.
func (s *Socket) Retry() time.Duration { return 0 }

// Close cuts the connection without a closing handshake, as a page that goes
// away does.
func (s *Socket) Close() {
	s.stop()
	s.conn.Close()
}
