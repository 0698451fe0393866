package test

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A session2 is a hostile connection that speaks HTTP/2 with prior knowledge
// (RFC 9113, section 3.3).
type session2 struct {
	conn *net.TCPConn
	out  *http2.Framer
	next uint32 // stream
}

// dials2 opens n of them.
func (s *siege) dials2(n int, settings ...http2.Setting) []*session2 {
	s.t.Helper()
	var all []*session2
	for _, conn := range s.dials(n, http2.ClientPreface) {
		c := &session2{conn: conn, out: http2.NewFramer(conn, conn), next: 1}
		if err := c.out.WriteSettings(settings...); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// ask sends the head of a request for events; unless whole, it is never ended. The
// error is that of a connection that was cut.
func (c *session2) ask(token string, whole bool, more ...hpack.HeaderField) error {
	var block bytes.Buffer
	fields := hpack.NewEncoder(&block)
	for _, f := range slices.Concat([]hpack.HeaderField{
		{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "weft"},
		{Name: ":path", Value: "/_weft/v1/events"}, {Name: "accept", Value: "text/event-stream"},
		{Name: "authorization", Value: "Bearer " + token},
	}, more) {
		if err := fields.WriteField(f); err != nil {
			return err
		}
	}
	id := c.next
	c.next += 2
	const most = 16 << 10 // of a frame
	first := block.Next(most)
	err := c.out.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndStream: true, EndHeaders: whole && block.Len() == 0})
	for err == nil && block.Len() > 0 {
		part := block.Next(most)
		err = c.out.WriteContinuation(id, whole && block.Len() == 0, part)
	}
	return err
}

// polite answers what a connection must, until it ends, but grants no window. It
// returns the status lines that were heard.
func (c *session2) polite() (statuses []string) {
	in := http2.NewFramer(c.conn, c.conn)
	in.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		f, err := in.ReadFrame()
		if err != nil {
			return statuses
		}
		switch f := f.(type) {
		case *http2.PingFrame:
			if !f.IsAck() {
				_ = in.WritePing(true, f.Data)
			}
		case *http2.MetaHeadersFrame:
			statuses = append(statuses, f.PseudoValue("status"))
		}
	}
}

// attackHTTP2: a connection of many streams is held to the same.
func attackHTTP2(s *siege) {
	silent, unfinished := s.dials2(60), s.dials2(60)
	for _, c := range unfinished {
		if err := c.ask(s.token, false); err != nil {
			s.t.Fatal(err)
		}
	}
	vanished := s.dials2(60) // they follow, and never answer a ping
	for _, c := range vanished {
		if err := c.ask(s.token, true); err != nil {
			s.t.Fatal(err)
		}
	}
	s.connected(len(vanished))
	flooding := s.dials2(20)
	var writing sync.WaitGroup
	s.deaf(conns2(flooding))
	for _, c := range flooding {
		writing.Go(func() {
			for range 10000 {
				if c.out.WritePing(false, [8]byte{}) != nil {
					return
				}
			}
		})
	}
	s.cut(conns2(silent, unfinished, vanished))
	writing.Wait()
	s.reset(conns2(flooding)) // none of the answers was read
	s.settled("who does not answer is not connected", func(f footprint) bool { return f.connections == len(s.calm) })

	closed := s.dials2(60, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	giant := s.dials2(60)
	var reading sync.WaitGroup
	for _, c := range closed {
		reading.Go(func() { c.polite() })
		for range 3 {
			if err := c.ask(s.token, true); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	s.settled("streams without a window are given up", func(f footprint) bool { return f.connections == len(s.calm) })
	for _, c := range giant {
		reading.Go(func() {
			for _, status := range c.polite() {
				if status != "431" {
					s.t.Errorf("a giant head is answered %s, want 431 or nothing", status)
				}
			}
		})
		_ = c.ask(s.token, true, hpack.HeaderField{Name: "x-giant", Value: strings.Repeat("x", 200<<10)})
	}
	resetting := s.dials2(10)
	s.cached = 1 << 20 // what Go keeps of as many goroutines as there were streams at once
	for _, c := range resetting {
		reading.Go(func() { c.polite() })
		for range 300 {
			id := c.next
			if c.ask(s.token, true) != nil || c.out.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
				break // cut, which is as good
			}
		}
	}
	publish(s.t, s.node, "eve", "", []byte(`"to nobody"`))
	for _, c := range slices.Concat(closed, giant, resetting) {
		c.conn.Close()
	}
	reading.Wait()
}

// conns2 are the connections beneath.
func conns2(all ...[]*session2) (conns []*net.TCPConn) {
	for _, c := range slices.Concat(all...) {
		conns = append(conns, c.conn)
	}
	return conns
}
