package edge_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"weft/edge"
	"weft/jetstream"
)

// TestAPageThatReboundItsNameReachesNothing whatever it asks for and on whichever
// path: the browser names the page's own host, which is not the listener's.
func TestAPageThatReboundItsNameReachesNothing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*edge.Config){
		"a loopback node with tokens":    func(*edge.Config) {},
		"a loopback node without tokens": func(c *edge.Config) { c.Auth.Mode = "none" },
		"a public node without tokens":   func(c *edge.Config) { c.Auth.Mode, c.Public.Listen = "none", ":0" },
		"a public node with names":       func(c *edge.Config) { c.Public.Hosts, c.Public.Listen = []string{"events.example.com"}, ":0" },
	} {
		for _, p := range plainPaths {
			t.Run(name+", "+p.name, func(t *testing.T) {
				t.Parallel()
				s := newStackOn(t, p, func(c *edge.Config, _ *jetstream.Config) {
					c.Public.Hosts, c.Public.CORSOrigins = nil, []string{"https://app.example.com:8443"}
					change(c)
				})
				for _, fields := range []string{"", "Accept: text/event-stream\r\n",
					"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"} {
					for host, want := range map[string]bool{
						"evil.example.com": false, "evil.example.com:4000": false, "127.0.0.1.nip.io": false, "": false, "localhost.evil.com": false,
						"localhost": true, "LOCALHOST:4000": true, "127.0.0.1": true, "[::1]:4000": true, "app.example.com": true,
					} {
						if got := s.misdirected(host, "GET "+pathEvents+"?wait=0s", fields); got == want {
							t.Errorf("%q, %q: taken: %v, want %v", host, fields, !got, want)
						}
					}
				}
				for _, request := range []string{"POST " + pathEvents + "?subject=topic.hotel.1", "PATCH " + pathConnections + "x", "OPTIONS " + pathEvents, "GET /"} {
					if !s.misdirected("evil.example.com", request, "Content-Length: 0\r\n") {
						t.Errorf("%s is taken", request)
					}
				}
			})
		}
	}
}

func TestAPublicNodeWithTokensMayHaveAnyName(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Public.Hosts, c.Public.Listen = nil, ":0" })
	if s.misdirected("whatever.example.com", "GET "+pathEvents, "") {
		t.Error("a load balancer's name is refused")
	}
}

// misdirected reports whether a request for a host is answered 421.
func (s *stack) misdirected(host, request, fields string) bool {
	s.t.Helper()
	_, port, err := net.SplitHostPort(s.edge.PublicAddr().String())
	s.must(err)
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	s.must(err)
	defer func() { _ = conn.Close() }()
	s.must(conn.SetDeadline(time.Now().Add(20 * time.Second)))
	_, err = fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", request, host, fields)
	s.must(err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	s.must(err)
	if resp.StatusCode == http.StatusMisdirectedRequest {
		_, err := io.Copy(io.Discard, resp.Body)
		s.must(err)
		return true
	}
	return false
}
