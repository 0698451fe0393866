package crowd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// streams are connections over TLS: a goroutine each, and the client of the
// standard library or of gorilla. Over HTTP/2 they share connections.
type streams struct {
	*shard
	target  Target
	http    *http.Client
	dialer  *websocket.Dialer
	started int
	turns   chan struct{} // a place for each handshake under way
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

func newStreams(c *Crowd) (kind, error) {
	t := c.cfg.Target
	config := t.TLS.Clone() // nil stays nil
	transport := &http.Transport{TLSClientConfig: config, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(!t.HTTP2)
	transport.Protocols.SetHTTP2(t.HTTP2)
	s := &streams{
		shard: &shard{crowd: c}, target: t, turns: make(chan struct{}, c.cfg.Connecting),
		http:   &http.Client{Transport: transport},
		dialer: &websocket.Dialer{TLSClientConfig: config, HandshakeTimeout: readyLimit, ReadBufferSize: 1 << 10},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	c.shards = append(c.shards, s.shard)
	return s, nil
}

func (s *streams) grow(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; s.started < n; s.started++ {
		u := &subscriber{index: uint32(s.started), subject: s.crowd.cfg.Subject(s.started)}
		s.all = append(s.all, u)
		s.running.Go(func() {
			err := s.run(u)
			if s.ctx.Err() == nil {
				s.mu.Lock()
				s.end(u, fmt.Errorf("subscriber %d: %w", u.index, err))
				s.mu.Unlock()
			}
		})
	}
	return nil
}

func (s *streams) close() {
	s.cancel()
	s.running.Wait()
	s.http.CloseIdleConnections()
}

// run follows until the connection or the crowd ends.
func (s *streams) run(u *subscriber) error {
	select {
	case s.turns <- struct{}{}:
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	var once sync.Once
	opened := func() { once.Do(func() { <-s.turns }) }
	defer opened()
	take := func(body []byte) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.take(u, body, Now())
		s.flush()
		if u.ready {
			opened()
		}
	}
	if s.target.Transport() == WebSocket {
		return s.messages(u, take)
	}
	return s.body(u, take)
}

// answered makes a subscriber ready when the head of the response does.
func (s *streams) answered(u *subscriber) {
	if s.crowd.cfg.Ready != "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin(u)
	s.flush()
}

func (s *streams) body(u *subscriber, take func([]byte)) error {
	request, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.target.url(int(u.index)), nil)
	if err != nil {
		return err
	}
	request.Header = s.target.header(int(u.index))
	response, err := s.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 200))
		return fmt.Errorf("refused: %s %s", response.Status, text)
	}
	s.answered(u)
	buf := make([]byte, 4<<10)
	for {
		n, err := response.Body.Read(buf)
		take(buf[:n])
		if err != nil {
			return errEnded
		}
	}
}

func (s *streams) messages(u *subscriber, take func([]byte)) error {
	conn, response, err := s.dialer.DialContext(s.ctx, s.target.url(int(u.index)), s.target.header(int(u.index)))
	if err != nil {
		if response != nil {
			return fmt.Errorf("refused: %s", response.Status)
		}
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(s.ctx, func() { _ = conn.SetReadDeadline(time.Now()) })()
	s.answered(u)
	for {
		_, message, err := conn.ReadMessage()
		if err != nil {
			return errEnded
		}
		take(message)
	}
}
