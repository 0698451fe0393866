package edge_test

import (
	"bytes"
	"net"
	"testing"
	"time"

	"weft/config/testkit/clientframe"
	"weft/config/testkit/slow"
	"weft/edge"
	"weft/edge/frames"
	"weft/edge/transport"
	"weft/jetstream"
	"weft/jetstream/event"
)

// Browsers wait for the answer to a handshake; others need not.
func TestFramesBehindTheHandshakeAreHeard(t *testing.T) {
	t.Parallel()
	for _, p := range slow.First(paths) {
		t.Run(p.name, func(t *testing.T) {
			s := newStackOn(t, p, nil)
			conn, in := s.shakeHands(t, s.token("ann", nil), clientframe.Masked(frames.Final|frames.Text, `{"ref":1}`), clientframe.Masked(frames.Final|frames.Text, `{"ref":2}`)[:3])
			if _, err := conn.Write(clientframe.Masked(frames.Final|frames.Text, `{"ref":2}`)[3:]); err != nil {
				t.Fatal(err)
			}
			rest := rfcCase{sent: [][]byte{clientframe.Masked(frames.Final|frames.Close, closing(1001, ""))}, want: []string{"ref:1", "ref:2", "close:1001 "}}
			rest.run(t, conn, in)
		})
	}
}

// The answer to a close stands behind all that was queued. Who does not take that
// must not stay for it: a token that is revoked meanwhile could not cut it.
func TestWhoClosesAndReadsNothingIsGoneSoon(t *testing.T) {
	slow.Test(t, "the time limit of a close")
	t.Parallel()
	for _, p := range plainPaths {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newStackOn(t, p, func(c *edge.Config, _ *jetstream.Config) {
				c.Public.Keepalive = time.Minute                                 // who reads nothing answers no ping
				c.Public.QueueBytes, c.Public.WriteTimeout = 64<<20, time.Minute // half of it is for replays
			})
			conn, in := s.shakeHands(t, s.token("ann", nil))
			follows := rfcCase{sent: [][]byte{clientframe.Masked(frames.Final|frames.Text, `{"subscribe":["topic.hotel.1"],"ref":1}`)}, want: []string{"ref:1"}}
			follows.run(t, conn, in)
			if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
				t.Fatal(err)
			}
			const events = 8
			for range events { // more than the kernel holds for a connection
				s.store("user.ann", "", bytes.Repeat([]byte("x"), event.MaxBytes))
			}
			queued := func() float64 { return s.metric("weft_edge_deliveries_total", "transport", transport.WebSocket) }
			s.eventually("all are queued", func() bool { return queued() == events })
			if _, err := conn.Write(clientframe.Masked(frames.Final|frames.Close, closing(1000, ""))); err != nil {
				t.Fatal(err)
			}
			s.eventually("it is forgotten", func() bool { return s.edge.Connections() == 0 })
		})
	}
}
