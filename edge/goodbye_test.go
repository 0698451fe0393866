package edge

import (
	"bytes"
	"net"
	"testing"
	"time"

	"weft/jetstream"
)

// Browsers wait for the answer to a handshake; others need not.
func TestFramesBehindTheHandshakeAreHeard(t *testing.T) {
	for _, p := range paths {
		t.Run(p.name, func(t *testing.T) {
			s := newStackOn(t, p, nil)
			conn, in := s.shakeHands(t, s.token("ann", nil), masked(final|opText, `{"ref":1}`), masked(final|opText, `{"ref":2}`)[:3])
			if _, err := conn.Write(masked(final|opText, `{"ref":2}`)[3:]); err != nil {
				t.Fatal(err)
			}
			rest := rfcCase{sent: [][]byte{masked(final|opClose, closing(1001, ""))}, want: []string{"ref:1", "ref:2", "close:1001 "}}
			rest.run(t, conn, in)
		})
	}
}

// The answer to a close stands behind all that was queued. Who does not take that
// must not stay for it: a token that is revoked meanwhile could not cut it.
func TestWhoClosesAndReadsNothingIsGoneSoon(t *testing.T) {
	for _, p := range paths[:2] {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newStackOn(t, p, func(c *Config, _ *jetstream.Config) {
				c.Public.QueueBytes, c.Public.WriteTimeout = 32<<20, time.Minute
			})
			conn, in := s.shakeHands(t, s.token("ann", nil))
			for h := ""; h == ""; { // it is open, and follows
				if _, err := conn.Write(masked(final|opPing, "")); err != nil {
					t.Fatal(err)
				}
				var err error
				if h, err = hearFrame(in); err != nil {
					t.Fatal(err)
				}
			}
			s.eventually("it is connected", func() bool { return s.edge.Connections() == 1 })
			if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
				t.Fatal(err)
			}
			const events = 20
			for range events { // more than the kernel holds for a connection
				s.store("user.ann", "", bytes.Repeat([]byte("x"), jetstream.MaxEventBytes))
			}
			s.eventually("all are queued", func() bool {
				return s.metric("weft_edge_deliveries_total", "transport", nameWebSocket) == events
			})
			if _, err := conn.Write(masked(final|opClose, closing(1000, ""))); err != nil {
				t.Fatal(err)
			}
			s.eventually("it is forgotten", func() bool { return s.edge.Connections() == 0 })
		})
	}
}
