package edge_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRawRequests sends requests to the letter, each followed by one more on its
// connection, and wants the same answers whoever reads them: 404 is that to the
// second request, without which the connection was closed. One that shows no token,
// since its fields are odd where that would stand, is understood when it is a 403.
func TestRawRequests(t *testing.T) {
	t.Parallel()
	const next = "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	const hostless = 403 // is understood, and has no token
	line := func(line string) string { return line + "\r\nHost: a\r\n\r\n" }
	field := func(fields ...string) string {
		return "GET /_weft/v1/events?wait=0s HTTP/1.1\r\nHost: a\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
	}
	host := func(lines string) string { return "GET /_weft/v1/events?wait=0s HTTP/1.1\r\n" + lines + "\r\n" }
	socket := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	cases := []struct {
		name string
		sent string
		want []int
	}{
		// The line (RFC 9112, section 3).
		{"plain", line("GET /_weft/v1/events?wait=0s HTTP/1.1"), []int{200, 404}},
		{"a blank in the target", line("GET /_weft/v1/events?wait=0s&type=a x HTTP/1.1"), []int{400}},
		{"a tab in the target", line("GET /_weft/v1/events?wait=0s&type=a\tx HTTP/1.1"), []int{400}},
		{"two versions", line("GET /_weft/v1/events?wait=0s HTTP/1.0 HTTP/1.1"), []int{400}},
		{"two versions behind a path", line("GET /_weft/v1/events HTTP/1.1 HTTP/1.1"), []int{400}},
		{"a DEL in the target", line("GET /_weft/v1/events?wait=0s&type=\x7f HTTP/1.1"), []int{400}},
		{"a NUL in the target", line("GET /_weft/v1/events?wait=0s&type=\x00 HTTP/1.1"), []int{400}},
		{"UTF-8 in the target", line("GET /_weft/v1/events?wait=0s&type=é HTTP/1.1"), []int{200, 404}},
		{"a fragment", line("GET /_weft/v1/events?wait=0s#x HTTP/1.1"), []int{400, 404}},
		{"two blanks before the version", line("GET /_weft/v1/events?wait=0s  HTTP/1.1"), []int{400}},
		{"two blanks before the target", line("GET  /_weft/v1/events?wait=0s HTTP/1.1"), []int{400}},
		{"a blank behind the version", line("GET /_weft/v1/events?wait=0s HTTP/1.1 "), []int{400}},
		{"a version in lower case", line("GET /_weft/v1/events?wait=0s http/1.1"), []int{400}},
		{"a version of the future", line("GET /_weft/v1/events?wait=0s HTTP/1.2"), []int{200, 404}},
		{"version 2", line("GET /_weft/v1/events?wait=0s HTTP/2.0"), []int{505}},
		{"no version", line("GET /_weft/v1/events?wait=0s"), []int{400}},
		{"a method in lower case", line("get /_weft/v1/events?wait=0s HTTP/1.1"), []int{405, 404}},
		{"the path in escapes", line("GET /_weft/v1/%65vents?wait=0s HTTP/1.1"), []int{200, 404}},
		{"the path with a bad escape", line("GET /_weft/v1/events%zz?wait=0s HTTP/1.1"), []int{400}},
		{"a query with a bad escape", line("GET /_weft/v1/events?wait=%zz HTTP/1.1"), []int{400, 404}},
		{"absolute form", line("GET http://a/_weft/v1/events?wait=0s HTTP/1.1"), []int{200, 404}},
		{"absolute form of another host", line("GET http://b/_weft/v1/events?wait=0s HTTP/1.1"), []int{200, 404}},
		{"an empty line before", "\r\n" + line("GET /_weft/v1/events?wait=0s HTTP/1.1"), []int{400}},
		// HTTP/1.0.
		{"old", line("GET /_weft/v1/events?wait=0s HTTP/1.0"), []int{200}},
		{"old without a host", "GET /_weft/v1/events?wait=0s HTTP/1.0\r\n\r\n", []int{hostless}},
		{"old and kept", "GET /_weft/v1/events?wait=0s HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", []int{hostless, 404}},
		{"an old one cannot upgrade", "GET /_weft/v1/events?wait=0s HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", []int{200}}, // RFC 9110, section 7.8
		// Host (section 3.2).
		{"no host", host(""), []int{400}},
		{"an empty host", host("Host: \r\n"), []int{421, 404}},
		{"two hosts", host("Host: a\r\nHost: a\r\n"), []int{400}},
		{"a blank in the host", host("Host: a b\r\n"), []int{400}},
		{"a quote in the host", host("Host: a\"b\r\n"), []int{400}},
		{"angle brackets in the host", host("Host: <a>\r\n"), []int{400}},
		{"a caret in the host", host("Host: a^b\r\n"), []int{400}},
		{"braces in the host", host("Host: {a}\r\n"), []int{400}},
		{"UTF-8 in the host", host("Host: é\r\n"), []int{400}},
		{"a host with a port", host("Host: [::1]:80\r\n"), []int{403, 404}},
		// Fields (section 5).
		{"no colon", field("nonsense"), []int{400}},
		{"no name", field(": x"), []int{400}},
		{"a blank before the colon", field("A : x"), []int{400}},
		{"a name that is no token", field("A(B): x"), []int{400}},
		{"a NUL in a value", field("A: x\x00y"), []int{400}},
		{"a carriage return in a value", field("A: x\ry"), []int{400}},
		{"a DEL in a value", field("A: x\x7f"), []int{400}},
		{"a tab in a value", field("A: x\ty"), []int{200, 404}},
		{"bytes in a value", field("A: \xe9\xff"), []int{200, 404}},
		{"an empty value", field("A:"), []int{200, 404}},
		{"a folded field", field("A: b", " c"), []int{200, 404}},
		{"a folded first field", "GET /_weft/v1/events?wait=0s HTTP/1.1\r\n Host: a\r\n\r\n", []int{400}},
		{"lines that end in line feeds", strings.ReplaceAll(field("A: b"), "\r", ""), []int{403, 404}},
		{"a close", field("Connection: close"), []int{200}},
		{"a close among others", field("Connection: x, CLOSE"), []int{200}},
		{"a close in the second field", field("Connection: x", "Connection: close"), []int{200}},
		{"no close", field("Connection: closed"), []int{200, 404}},
		// Bodies (section 6), and Expect (RFC 9110, section 10.1.1).
		{"a body", field("Content-Length: 3") + "abc", []int{200, 404}},
		{"an empty body", field("Content-Length: 0"), []int{200, 404}},
		{"lengths that differ", field("Content-Length: 0", "Content-Length: 3"), []int{400}},
		{"the same length twice", field("Content-Length: 3", "Content-Length: 3") + "abc", []int{200, 404}},
		{"a length with a sign", field("Content-Length: +3"), []int{400}},
		{"a length below nothing", field("Content-Length: -1"), []int{400}},
		{"lengths in a list", field("Content-Length: 3, 3"), []int{400}},
		{"chunks", field("Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\n\r\n", []int{200, 404}},
		{"chunks and a length", field("Transfer-Encoding: chunked", "Content-Length: 3") + "3\r\nabc\r\n0\r\n\r\n", []int{200, 404}},
		{"chunks and a length that ends early", field("Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n", []int{200, 404}},
		{"chunks twice", field("Transfer-Encoding: chunked, chunked"), []int{501}},
		{"chunks in two fields", field("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), []int{501}},
		{"another coding", field("Transfer-Encoding: gzip, chunked"), []int{501}},
		{"chunks behind a control byte", field("Transfer-Encoding: \x0bchunked"), []int{400}},
		{"Expect with a body that is there", field("Expect: 100-continue", "Content-Length: 3") + "abc", []int{200}},
		{"Expect without a body", field("Expect: 100-continue"), []int{200, 404}},
		{"Expect something else", field("Expect: tea"), []int{417}},
		// Handshakes (RFC 6455, section 4.2).
		{"a WebSocket of another version", field(strings.Replace(socket, "13", "8", 1) + "A: b"), []int{426, 404}},
		{"a WebSocket without a key", field(strings.Replace(socket, "Sec-WebSocket-Key", "X-Key", 1) + "A: b"), []int{400, 404}},
		{"a WebSocket with a short key", field(strings.Replace(socket, "AAAA", "", 1) + "A: b"), []int{400, 404}},
		{"a WebSocket with a body", field(socket+"Content-Length: 3") + "abc", []int{400, 404}},
	}
	for _, p := range plainPaths {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newStackOn(t, p, nil)
			token := s.token("ann", nil)
			for _, c := range cases {
				t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
					got := s.statuses(t, authorised(c.sent, token)+next)
					if !slices.Equal(got, c.want) {
						t.Errorf("%q is answered %d, want %d", c.sent, got, c.want)
					}
				})
			}
		})
	}
}

// authorised puts a token behind the first field of a request, unless that is odd.
func authorised(request, token string) string {
	at := strings.Index(request, "Host: a\r\n")
	if at < 0 {
		return request
	}
	at += len("Host: a\r\n")
	return request[:at] + "Authorization: Bearer " + token + "\r\n" + request[at:]
}

// statuses sends bytes and returns the statuses of all answers but 100, until the
// connection ends.
func (s *stack) statuses(t *testing.T, sent string) (got []int) {
	t.Helper()
	conn, err := net.Dial("tcp", s.edge.PublicAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, sent); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err == nil && resp.StatusCode != http.StatusContinue {
			got = append(got, resp.StatusCode)
		}
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
		}
		switch {
		case err == nil:
		case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
			return got // it was closed with something unread, as net/http does
		default:
			t.Fatal(err)
		}
	}
}
