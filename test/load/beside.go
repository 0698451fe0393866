package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gorilla/websocket"

	"weft/test/load/crowd"
)

// besidePace is the pace of requests beside events, per second.
const besidePace = 2000

// besideEvents measures how late events are without and with requests beside them.
func (b *routesBench) besideEvents(ctx context.Context, weft *server) error {
	var late [2][]float64
	q := newRequest("beside events", "/bare", 0)
	for range b.rounds {
		alone, err := b.eventsLate(ctx, weft)
		if err != nil {
			return err
		}
		asking, stop := context.WithCancel(ctx)
		busy := make(chan error, 1)
		go func() {
			_, err := measureRequests(asking, weft.address, weft.pids, q, connectionsEach, besidePace, b.span+warmUp)
			busy <- err
		}()
		beside, err := b.eventsLate(ctx, weft)
		if err != nil {
			stop()
		}
		err = errors.Join(err, <-busy)
		stop()
		if err != nil {
			return err
		}
		late[0], late[1] = append(late[0], alone), append(late[1], beside)
	}
	b.ratio(fmt.Sprintf("events: p99 alone, and beside %d requests/s", besidePace), "µs", late, 2)
	return nil
}

// eventsLate is the p99, in microseconds, of events to ten users, one in flight: from just
// before each is published until it is read.
func (b *routesBench) eventsLate(ctx context.Context, s *server) (float64, error) {
	const users = 10
	target := s.sse
	target.User = userName
	c, err := crowd.New(crowd.Config{Target: target, Ready: s.ready, Subject: func(i int) uint32 { return uint32(i) }})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.Grow(ctx, users); err != nil {
		return 0, err
	}
	f := flow{crowd: c, pids: s.pids, subjects: users, inFlight: 1, size: full.payload}
	if f.to, err = openPublisher(s.publish + "/user.{user}"); err != nil {
		return 0, err
	}
	defer f.to.close()
	measured, err := f.measure(ctx, b.span)
	if err != nil {
		return 0, err
	}
	if n := measured.Report.Faults(); n > 0 {
		return 0, fmt.Errorf("%w: %s", errInvalid, faults(measured.Report))
	}
	return float64(measured.Report.Latency.Quantile(0.99)) / float64(time.Microsecond), nil
}

// openSocket opens a WebSocket through a proxy and hears its own word once.
func openSocket(ctx context.Context, address string) (io.Closer, error) {
	c, _, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+address+"/socket", nil)
	if err != nil {
		return nil, err
	}
	if err = c.WriteMessage(websocket.TextMessage, []byte("hello")); err == nil {
		_, _, err = c.ReadMessage()
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}
