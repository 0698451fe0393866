package test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"weft/test/client"
)

// attackSlowRequests: a request's head has five seconds. Who takes a part of them is let in.
func attackSlowRequests(s *siege) {
	silent := s.dials(150, "")
	half := s.dials(150, s.follow(client.SSE, "")[:60])
	trickling := s.dials(150, "G")
	request := s.follow(client.SSE, "")
	patient := s.dials(30, "")

	done := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		trickle(trickling, "ET / HTTP/1.1\r\nX-Never: "+strings.Repeat("x", 1000), 100*time.Millisecond, done)
	})
	for i := range request {
		for _, c := range patient {
			if _, err := c.Write([]byte{request[i]}); err != nil {
				s.t.Fatal(err)
			}
		}
		time.Sleep(time.Millisecond) // the pace is what is tried
	}
	for _, c := range patient {
		s.reads(c, "weft.open")
		c.Close()
	}
	s.cut(slices.Concat(silent, half, trickling))
	close(done)
	writing.Wait()
}

// attackGiantHeads: a head has 32 KiB.
func attackGiantHeads(s *siege) {
	giant := strings.Repeat("x", 40<<10)
	line := "X-Line: " + strings.Repeat("y", 100) + "\r\n"
	heads := map[string][]*net.TCPConn{
		"header": s.dials(100, "GET /_weft/v1/events HTTP/1.1\r\nHost: weft\r\nX-Giant: "+giant+"\r\n\r\n"),
		"lines":  s.dials(100, "GET /_weft/v1/events HTTP/1.1\r\nHost: weft\r\n"+strings.Repeat(line, 400)+"\r\n"),
		"URL":    s.dials(100, "GET /_weft/v1/events?user="+giant+" HTTP/1.1\r\nHost: weft\r\n\r\n"),
	}
	endless := s.dials(100, "GET / HTTP/1.1\r\nHost: weft\r\n")
	var writing sync.WaitGroup
	for _, c := range endless {
		writing.Go(func() {
			for {
				if _, err := c.Write([]byte(strings.Repeat(line, 100))); err != nil {
					return
				}
			}
		})
	}
	writing.Wait()
	for what, conns := range heads {
		for _, said := range s.cut(conns) {
			if !bytes.HasPrefix(said, []byte("HTTP/1.1 431 ")) {
				s.t.Fatalf("a giant %s is answered %q, want 431", what, said)
			}
		}
	}
}

// attackPipelines: what follows the request for a stream is not a request; polls
// are answered one after the other.
func attackPipelines(s *siege) {
	poll := s.follow(client.Poll, "")
	streams := s.dials(80, s.follow(client.SSE, "")+strings.Repeat(poll, 20))
	floods := s.dials(40, s.follow(client.SSE, ""))
	subscribe := string(message(`{"ref":"one","subscribe":["user.eve"]}`)) + string(message(`{"ref":"two","subscribe":["user.eve"]}`))
	sockets := s.dials(80, s.follow(client.WebSocket, "")+subscribe)
	junk := s.dials(80, s.follow(client.WebSocket, "")+poll)
	polls := s.dials(80, poll+"GET /nowhere HTTP/1.1\r\nHost: weft\r\n\r\n"+poll+"GET /nowhere HTTP/1.1\r\nHost: weft\r\n\r\n"+poll)

	for _, c := range floods {
		s.reads(c, "weft.open")
		_, _ = c.Write(bytes.Repeat([]byte(poll), 1000)) // as much as it is let
	}
	s.cut(floods)
	for _, said := range s.cut(junk) {
		if closeCode(said) != protocolError {
			s.t.Fatalf("junk behind the handshake is answered %q, want a close frame", said)
		}
	}
	for _, c := range sockets {
		if said := s.reads(c, `"ref":"two"`); !bytes.Contains(said, []byte(`"ref":"one","ok":true`)) {
			s.t.Fatalf("commands behind the handshake are answered %q", said)
		}
	}
	for _, c := range polls {
		answers := bufio.NewReader(c)
		for i, want := range []int{200, 404, 200, 404, 200} {
			answer, err := http.ReadResponse(answers, nil)
			if err != nil || answer.StatusCode != want {
				s.t.Fatalf("answer %d: %v, %v; want %d", i, answer, err, want)
			}
			if _, err := new(bytes.Buffer).ReadFrom(answer.Body); err != nil {
				s.t.Fatalf("answer %d: %v", i, err)
			}
		}
	}
	publish(s.t, s.node, "eve", "", []byte(`"to all"`))
	for _, c := range streams {
		if said := s.reads(c, `"to all"`); bytes.Count(said, []byte("HTTP/1.1 ")) != 1 {
			s.t.Fatalf("requests behind one for a stream are answered: %q", said)
		}
		c.Close()
	}
	for _, c := range slices.Concat(sockets, polls) {
		c.Close()
	}
}

// attackHalfClosed: who has said all it has to say is taken for gone, as by
// net/http.
func attackHalfClosed(s *siege) {
	var all []*net.TCPConn
	for _, kind := range client.Transports {
		query := ""
		if kind == client.Poll { // one that waits
			query = "?wait=60s&last_event_id=" + s.calm[0].LastID()
		}
		early, late := s.dials(60, s.follow(kind, query)), s.dials(60, s.follow(kind, query))
		for _, c := range early {
			c.CloseWrite()
		}
		s.settled("those who say no more are not connected", func(f footprint) bool { return f.connections == len(s.calm)+len(late) })
		for _, c := range late {
			c.CloseWrite()
		}
		s.settled("those who say no more are let go", func(f footprint) bool { return f.connections == len(s.calm) })
		all = append(all, slices.Concat(early, late)...)
	}
	s.cut(all)
}

// attackResets: connections that end in the middle of anything.
func attackResets(s *siege) {
	socket := s.follow(client.WebSocket, "")
	whole := message(`{"ref":"x","publish":{"subject":"user.eve","data":"` + strings.Repeat("x", 1000) + `"}}`)
	var sockets []*net.TCPConn
	for _, part := range [][]byte{
		whole[:1], whole[:3], whole[:6], // of the head
		whole[:500],                    // of the payload
		frame(opText, []byte(`{"ref`)), // of the message
		slices.Concat(frame(opText, []byte(`{"ref`)), frame(opContinuation, []byte(`":`))[:7]),
		bytes.Repeat(message(`{}`), 2000), // of many
	} {
		sockets = append(sockets, s.dials(40, socket+string(part))...)
	}
	s.connected(len(sockets))
	s.reset(sockets)

	var posts []*net.TCPConn
	for _, length := range []string{"Content-Length: 100000", "Transfer-Encoding: chunked"} {
		head := fmt.Sprintf("POST /_weft/v1/events?user=eve HTTP/1.1\r\nHost: weft\r\nAuthorization: Bearer %s\r\nContent-Type: text/plain\r\n%s\r\n\r\n", s.token, length)
		posts = append(posts, s.dials(50, head)...)
		posts = append(posts, s.dials(50, head+"ffff\r\n"+strings.Repeat("x", 5000))...)
	}
	s.reset(posts)

	streams := s.dials(100, s.follow(client.SSE, ""))
	s.connected(len(streams))
	for i, c := range streams {
		if i%10 == 0 {
			publish(s.t, s.node, "eve", "", bytes.Repeat([]byte("x"), 20<<10))
		}
		s.reset([]*net.TCPConn{c})
	}
}

// attackZeroWindows: who does not take what is written to it has its queue and
// some time. What such connections held is mostly frames that they shared.
func attackZeroWindows(s *siege) {
	streams := s.deaf(s.dials(100, s.follow(client.SSE, "")))
	sockets := s.deaf(s.dials(100, s.follow(client.WebSocket, "")))
	s.connected(len(streams) + len(sockets))
	s.cached = 64 << 20 // blocks of the stream's file, and what its answers are pooled in
	var ids []string
	payload := bytes.Repeat([]byte("x"), 64<<10)
	slow := func() int { return int(metric(s.t, s.node, `weft_edge_endings_total\{[^}]*"slow"[^}]*\}`)) }
	for range 100 { // more than queues and kernel hold
		ids = append(ids, publish(s.t, s.node, "eve", "", payload))
	}
	eventually(s.t, 40*time.Second, "who does not read is cut", func() bool { return slow() == len(streams)+len(sockets) })
	s.deaf(s.dials(100, strings.Repeat(s.follow(client.Poll, "?last_event_id="+ids[len(ids)-20]), 10)))
	s.settled("answers that are not read are given up", func(f footprint) bool {
		return f.connections == len(s.calm) && f.goroutines <= s.before.goroutines+spare
	})
}
