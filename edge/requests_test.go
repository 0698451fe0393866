package edge_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"weft/edge"
	"weft/edge/transport"
	"weft/jetstream"
)

// raw opens a connection to the public listener, writes parts with a pause between
// them and returns what can be read of the answer.
func (s *stack) raw(parts ...string) (net.Conn, *bufio.Reader) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.edge.PublicAddr().String())
	s.must(err)
	s.t.Cleanup(func() { conn.Close() })
	s.must(conn.SetDeadline(time.Now().Add(20 * time.Second)))
	for i, p := range parts {
		if i > 0 {
			time.Sleep(20 * time.Millisecond) // so that they do not come together
		}
		_, err := io.WriteString(conn, p)
		s.must(err)
	}
	return conn, bufio.NewReader(conn)
}

// TestRequestsInEveryForm sends requests that only the own reader, only net/http, or
// one after the other answers: it makes no difference to the client.
func TestRequestsInEveryForm(t *testing.T) {
	t.Parallel()
	for _, p := range plainPaths {
		t.Run(p.name, func(t *testing.T) { requestsInEveryForm(t, newStackOn(t, p, nil)) })
	}
}

func requestsInEveryForm(t *testing.T, s *stack) {
	token := s.token("ann", nil)
	stream := "GET /_weft/v1/events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nAuthorization: Bearer " + token + "\r\n"
	for name, c := range map[string]struct {
		parts  []string
		status int
		begins string // of the body
	}{
		"whole":                   {[]string{stream + "\r\n"}, 200, "retry: 2000\n"},
		"byte by byte at the end": {[]string{stream[:len(stream)-1], "\n", "\r", "\n"}, 200, "retry: 2000\n"},
		"cut in the path":         {[]string{stream[:9], stream[9:] + "\r\n"}, 200, "retry: 2000\n"},
		"bare line feeds":         {[]string{strings.ReplaceAll(stream, "\r", "") + "\n"}, 200, "retry: 2000\n"},
		"behind another request":  {[]string{"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n" + stream + "\r\n"}, 404, `{"title"`},
		"with a body":             {[]string{stream + "Content-Length: 3\r\n\r\nabc"}, 200, "retry: 2000\n"},
		"old protocol":            {[]string{strings.Replace(stream, "HTTP/1.1", "HTTP/1.0", 1) + "\r\n"}, 200, "retry: 2000\n"},
		"absolute form":           {[]string{strings.Replace(stream, "GET /", "GET http://a/", 1) + "\r\n"}, 200, "retry: 2000\n"},
		"another path":            {[]string{strings.Replace(stream, "/events", "/eventsx", 1) + "\r\n"}, 404, `{"title"`},
		"another method":          {[]string{strings.Replace(stream, "GET", "PUT", 1) + "\r\n"}, 405, `{"title"`},
		"no host":                 {[]string{strings.Replace(stream, "Host: a\r\n", "", 1) + "\r\n"}, 400, "400 Bad Request"},
		"two hosts":               {[]string{stream + "Host: b\r\n\r\n"}, 400, "400 Bad Request"},
		"a bad field":             {[]string{stream + "a b: c\r\n\r\n"}, 400, "400 Bad Request"},
		"a folded field":          {[]string{stream + "A: b\r\n c\r\n\r\n"}, 200, "retry: 2000\n"},
		"two lengths":             {[]string{stream + "Content-Length: 0\r\nContent-Length: 1\r\n\r\n"}, 400, "400 Bad Request"},
		"a giant head":            {[]string{stream + "A: " + strings.Repeat("b", 64<<10) + "\r\n\r\n"}, 431, "431 Request Header Fields Too Large"},
		"a large head":            {[]string{stream + "A: " + strings.Repeat("b", 40<<10) + "\r\n\r\n"}, 431, "431 Request Header Fields Too Large"},
		"no token":                {[]string{"GET /_weft/v1/events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n"}, 403, `{"title"`},
		"a poll":                  {[]string{strings.Replace(stream, "text/event-stream", "application/json", 1) + "\r\n"}, 200, `{"events":[]`},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			_, in := s.raw(c.parts...)
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			body := make([]byte, len(c.begins))
			_, err = io.ReadFull(resp.Body, body)
			if resp.StatusCode != c.status || string(body) != c.begins {
				t.Errorf("%d %q, %v; want %d %q", resp.StatusCode, body, err, c.status, c.begins)
			}
		})
	}
}

// A connection on which net/http has answered something may still become a stream,
// which then costs as little as any other.
func TestAStreamFollowsOtherRequestsOnItsConnection(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	other := "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
	_, in := s.raw(other+other, "GET /_weft/v1/events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nAuthorization: Bearer "+s.token("ann", nil)+"\r\n\r\n")
	for i, want := range []int{404, 404, 200} {
		resp, err := http.ReadResponse(in, nil)
		s.must(err)
		if resp.StatusCode != want {
			t.Fatalf("answer %d has status %d, want %d", i, resp.StatusCode, want)
		}
		if want == 404 {
			_, err = io.Copy(io.Discard, resp.Body)
			s.must(err)
			continue
		}
		lines := bufio.NewScanner(resp.Body)
		for want := s.storeOnceOpen(lines, "user.ann"); lines.Scan(); {
			if lines.Text() == want {
				return
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
	}
}

// storeOnceOpen waits for weft.open, stores an event and returns its data line.
func (s *stack) storeOnceOpen(lines *bufio.Scanner, subject string) string {
	for lines.Scan() {
		if lines.Text() == "event: weft.open" {
			s.store(subject, "", []byte(`{"n":1}`))
			return `data: {"n":1}`
		}
	}
	s.t.Fatal("no weft.open")
	return ""
}

// TestRequestsFollowEachOther on one connection, the next before the answer to
// the one before, and each is answered by whoever it is for.
func TestRequestsFollowEachOther(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	get := func(path, accept, token string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: a\r\nAccept: " + accept + "\r\nAuthorization: Bearer " + token + "\r\n\r\n"
	}
	token := s.token("ann", nil)
	refused := get("/_weft/v1/events", "text/event-stream", "bad")
	first := get("/_weft/v1/events", "application/json", token)
	conn, in := s.raw(refused + first + refused + refused)
	answer := func(status int, begins string) (body struct {
		LastID string `json:"last_event_id"`
		Events []struct{ Data json.RawMessage }
	}) {
		t.Helper()
		resp, err := http.ReadResponse(in, nil)
		s.must(err)
		all, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status || !strings.HasPrefix(string(all), begins) || resp.Close || fmt.Sprint(len(all)) != resp.Header.Get("Content-Length") {
			t.Fatalf("%d, closes: %v, %v, %q: %v; want %d %s", resp.StatusCode, resp.Close, resp.Header, all, err, status, begins)
		}
		s.must(json.Unmarshal(all, &body))
		return body
	}
	answer(401, `{"title"`)
	place := answer(200, `{"events":[]`).LastID
	answer(401, `{"title"`)
	answer(401, `{"title"`)
	for range 3 {
		poll := get("/_weft/v1/events?wait=20s&last_event_id="+place, "application/json", token)
		_, err := io.WriteString(conn, poll+refused)
		s.must(err)
		s.eventually("the poll waits", func() bool { return s.edge.Connections() == 1 })
		s.store("user.ann", "", []byte(`{"n":1}`))
		got := answer(200, `{"events":[{`)
		if len(got.Events) != 1 || string(got.Events[0].Data) != `{"n":1}` {
			t.Fatalf("got %+v", got)
		}
		place = got.LastID
		answer(401, `{"title"`)
	}
	_, err := io.WriteString(conn, get("/_weft/v1/events?wait=20s&last_event_id="+place, "application/json", token))
	s.must(err)
	s.eventually("the poll waits", func() bool { return s.edge.Connections() == 1 })
	s.must(conn.Close())
	s.eventually("who has left is forgotten", func() bool { return s.edge.Connections() == 0 })
}

func TestPollsWaitWithoutGoroutines(t *testing.T) {
	s, polls := newStack(t, nil), 200
	before := s.waitingPolls(polls)
	s.eventually("nearly no goroutines", func() bool { return runtime.NumGoroutine() < before+polls/4 })
}

// The key turns off what it says: each request has its goroutine, which is net/http's.
func TestWithoutTheOwnHTTPEachPollWaitsInNetHTTP(t *testing.T) {
	s, polls := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Tuning.OwnHTTP = false }), 200
	if before := s.waitingPolls(polls); runtime.NumGoroutine() < before+polls {
		t.Errorf("%d polls wait with %d goroutines, %d before", polls, runtime.NumGoroutine(), before)
	}
}

// waitingPolls makes so many polls wait and returns how many goroutines there were
// before.
func (s *stack) waitingPolls(polls int) (before int) {
	s.t.Helper()
	token := s.token("ann", nil)
	place := s.connect(transport.Poll, visitor{token: token}).opened().id
	s.eventually("nobody but the one", func() bool { return s.edge.Connections() <= 1 })
	before = runtime.NumGoroutine()
	for range polls {
		s.raw("GET /_weft/v1/events?wait=30s&last_event_id=" + place + " HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + token + "\r\n\r\n")
	}
	s.eventually("all wait", func() bool { return s.edge.Connections() >= polls })
	return before
}
