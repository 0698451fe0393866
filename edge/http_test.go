package edge_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"weft/config"
	"weft/edge"
	"weft/edge/transport"
	"weft/edge/wire"
	"weft/jetstream"
)

func TestTheHeadAndRetryComeAtOnce(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	resp, err := s.request(t.Context(), visitor{header: http.Header{
		"Accept": {"text/html, text/event-stream;q=0.9"}, "Authorization": {"Bearer " + s.token("ann", nil)},
	}})
	s.must(err)
	defer func() { _ = resp.Body.Close() }()
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-store", "X-Accel-Buffering": "no",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	in := bufio.NewReader(resp.Body)
	for i, want := range []string{"retry: 2000\n", "id: ", "event: weft.open\n", "data: {"} {
		line, err := in.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, want) {
			t.Fatalf("line %d is %q, want %q…", i, line, want)
		}
	}
}

func TestFormatFrameHasTheWebSocketFrameAsData(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	c := s.connect(transport.SSE, visitor{token: s.token("ann", nil), query: params("format", "frame", "subject", "topic.hotel.1")})
	open := c.any()
	if f := parseFrame([]byte(open.data)); open.typ != "" || f.typ != wire.TypeOpen || f.id != open.id || !strings.Contains(f.data, `"connection"`) {
		t.Errorf("weft.open: %+v", open)
	}
	s.store("user.ann", "a.b", []byte(`{"n":1}`))
	h := c.next()
	if f := parseFrame([]byte(h.data)); f.id != h.id || f.typ != "a.b" || f.subject != "user.ann" || f.data != `{"n":1}` || h.typ != "" {
		t.Errorf("heard %+v", h)
	}
}

func TestKeepalivesMoveTheCursor(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	c := s.connect(transport.SSE, visitor{token: s.token("ann", nil)})
	first := c.opened().id
	s.store("user.bob", "", []byte(`1`))
	for {
		h := c.any()
		if h.typ != wire.TypeKeepalive || h.data != "{}" {
			t.Fatalf("heard %+v, want keep-alives", h)
		}
		if h.id != "" && h.id != first {
			return
		}
	}
}

func TestAPollIsBoundedAndTheNextBringsTheRest(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(_ *edge.Config, js *jetstream.Config) { js.Events.MaxPerSubject = 1000 })
	token := s.token("ann", nil)
	poll := func(id string) (events []heard, last string) {
		_, body := s.do("GET", pathEvents+"?wait=5&last_event_id="+id, token, "")
		var got struct {
			Events []json.RawMessage
			LastID string `json:"last_event_id"`
		}
		s.must(json.Unmarshal([]byte(body), &got))
		for _, e := range got.Events {
			events = append(events, parseFrame(e))
		}
		return events, got.LastID
	}
	// A poll is answered when the node has no more for it: all of them must have come.
	other := s.connect(transport.SSE, visitor{token: token})
	other.opened()
	_, id := poll("")
	const n = 2*transport.MaxPollEvents + 10
	for i := range n {
		s.store("user.ann", "", fmt.Appendf(nil, "%d", i))
		other.next()
	}
	seen := 0
	for _, want := range []int{transport.MaxPollEvents, transport.MaxPollEvents, 10} {
		var events []heard
		if events, id = poll(id); len(events) != want {
			t.Fatalf("a poll brings %d events, want %d", len(events), want)
		}
		for _, e := range events {
			if e.data != fmt.Sprint(seen) {
				t.Fatalf("event %d is %s", seen, e.data)
			}
			seen++
		}
	}
	for range 6 { // four of which fit into maxPollBytes
		s.store("user.ann", "", []byte(`"`+strings.Repeat("x", 250<<10)+`"`))
		other.next()
	}
	for _, want := range []int{4, 2} {
		var events []heard
		if events, id = poll(id); len(events) != want {
			t.Fatalf("a poll brings %d large events, want %d", len(events), want)
		}
	}
	// Of what is short a client takes it that there is no more.
	s.store("user.ann", "", []byte(`1`))
	other.next()
	s.store("user.ann", "", []byte(`"`+strings.Repeat("x", 1<<20-2)+`"`))
	other.next()
	if events, _ := poll(id); len(events) != 2 {
		t.Fatalf("a poll brings %d events, want a small one and the largest after it", len(events))
	}
}

func TestAPollWithoutEventsEndsInTimeWithItsCursor(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	id := s.store("user.ann", "", []byte(`1`))
	begin := time.Now()
	resp, body := s.do("GET", pathEvents+"?wait=300ms&last_event_id="+id, s.token("ann", nil), "")
	if resp.StatusCode != 200 || !strings.HasPrefix(body, `{"events":[],"last_event_id":"`) || !strings.HasSuffix(body, `"reset":false}`+"\n") {
		t.Errorf("answers %d %s", resp.StatusCode, body)
	}
	if d := time.Since(begin); d < 300*time.Millisecond || d > 5*time.Second {
		t.Errorf("waited %v", d)
	}
}

// What is stored is the answer, also of a poll that does not want to wait for more.
func TestAPollThatDoesNotWaitBringsWhatIsStored(t *testing.T) {
	t.Parallel()
	for _, p := range plainPaths {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newStackOn(t, p, nil)
			ann, first := s.token("ann", nil), s.store("user.ann", "", []byte(`0`))
			const n = 20
			var last string
			for i := range n {
				last = s.store("user.ann", "", fmt.Appendf(nil, "%d", i+1))
			}
			for range 30 {
				if got, _ := s.poll(ann, "last_event_id", first, "wait", "0s"); len(got.Events) != n || got.LastID != last {
					t.Fatalf("%d of %d events, and %s of %s", len(got.Events), n, got.LastID, last)
				}
			}
			s.store("user.bob", "", []byte(`1`))
			s.eventually("the id moves although nothing is for the user", func() bool {
				got, took := s.poll(ann, "last_event_id", last, "wait", "0s")
				if len(got.Events) > 0 || took > 5*time.Second {
					t.Fatalf("after %v: %+v", took, got)
				}
				return got.LastID != last
			})
		})
	}
}

func TestPatchChangesAnOpenConnection(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	ann, bob := s.token("ann", nil), s.token("bob", nil)
	c := s.connect(transport.SSE, visitor{token: ann})
	var open struct{ Connection string }
	s.must(json.Unmarshal([]byte(c.opened().data), &open))
	patch := func(connection, token, body string) (int, string) {
		resp, got := s.do("PATCH", pathConnections+connection, token, body)
		return resp.StatusCode, got
	}
	if status, body := patch(open.Connection, ann, `{"subscribe":["topic.hotel.1"]}`); status != 200 || body != `{"subjects":["user.ann","topic.hotel.1"]}`+"\n" {
		t.Fatalf("answers %d %s", status, body)
	}
	s.store("topic.hotel.1", "", []byte(`1`))
	if h := c.next(); h.data != `1` {
		t.Fatalf("heard %+v", h)
	}
	if status, body := patch(open.Connection, ann, `{"unsubscribe":["topic.hotel.1"]}`); status != 200 || body != `{"subjects":["user.ann"]}`+"\n" {
		t.Errorf("answers %d %s", status, body)
	}
	for _, w := range []struct {
		connection, token, body string
		status                  int
		code                    string
	}{
		{open.Connection, bob, `{"subscribe":["topic.hotel.1"]}`, 409, "user_mismatch"},
		{open.Connection, ann, `{"token":"` + bob + `"}`, 409, "user_mismatch"},
		{open.Connection, ann, `{"subscribe":["user.bob"]}`, 403, "forbidden"},
		{open.Connection, ann, `{"subscribe":["x"]}`, 400, "bad_subject"},
		{open.Connection, ann, `{}`, 400, "bad_request"},
		{open.Connection, ann, `{"subscribe":`, 400, "bad_request"},
		{open.Connection, "", `{"subscribe":["topic.hotel.1"]}`, 401, "token_missing"},
		{open.Connection, ann, `{"set":["topic.hotel.1"],"subscribe":["topic.hotel.2"]}`, 400, "bad_request"},
		{open.Connection, ann, `{"subscribe":[{"subject":"topic.hotel.1","types":["a"]}]}`, 400, "bad_request"},
		{open.Connection, ann, `{"subscribe":[{"subject":"topic.hotel.1","type":["*"]}]}`, 400, "bad_request"},
		{"unknown", ann, `{"subscribe":["topic.hotel.1"]}`, 404, "not_found"},
	} {
		if status, body := patch(w.connection, w.token, w.body); status != w.status || !strings.Contains(body, `"code":"`+w.code+`"`) {
			t.Errorf("%s answers %d %s, want %d %s", w.body, status, body, w.status, w.code)
		}
	}
	// Judged by the new token when there is one.
	if status, body := patch(open.Connection, ann, `{"token":"`+s.token("ann", map[string]any{"extra": "a"})+`","subscribe":["topic.extra.a"]}`); status != 200 {
		t.Errorf("answers %d %s", status, body)
	}
	// What it no longer allows ends, and the connection goes on.
	if status, body := patch(open.Connection, ann, `{"token":"`+ann+`"}`); status != 200 || body != `{"subjects":["user.ann"]}`+"\n" {
		t.Errorf("a token that allows less answers %d %s", status, body)
	}
	if h := c.next(); h.typ != "weft.unsubscribed" || h.data != `{"subjects":["topic.extra.a"],"reason":"unauthorised"}` {
		t.Errorf("heard %+v", h)
	}
	id := s.store("user.ann", "", []byte(`2`))
	c.next().want(t, transport.SSE, id, "", `2`)
}

func TestPublishingOverHTTP(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	c := s.connect(transport.SSE, visitor{token: s.token("bob", nil), query: params("subject", "topic.hotel.1")})
	c.opened()
	for _, w := range []struct {
		path, token string
		status      int
		want        string
	}{
		{pathEvents + "?subject=topic.hotel.1&type=chat", s.token("ann", nil), 202, `{"ids":["`},
		{pathEvents + "?subject=user.bob", s.token("ann", nil), 403, `"code":"forbidden"`},
		{pathEvents + "?subject=nowhere", s.token("ann", nil), 422, `"code":"bad_event"`},
		{pathEvents + "?subject=topic.hotel.1", "", 401, `"code":"token_missing"`},
		{pathEvents + "?subject=topic.hotel.1", "x", 401, `"code":"token_invalid"`},
		{"admin:" + pathEvents + "?subject=user.bob", "", 202, `{"ids":["`},
	} {
		resp, body := s.do("POST", w.path, w.token, `"hi"`)
		if resp.StatusCode != w.status || !strings.Contains(body, w.want) || strings.Contains(body, "inner") {
			t.Errorf("POST %s answers %d %s, want %d %s", w.path, resp.StatusCode, body, w.status, w.want)
		}
	}
	for _, want := range []string{"chat", ""} {
		if h := c.next(); h.data != `"hi"` || h.typ != want {
			t.Errorf("heard %+v", h)
		}
	}
}

func TestATokenThatMayPublishNothingIsRefusedBeforeItsBodyIsRead(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Auth.Publish = nil })
	// The ingest of these tests would say bad_event.
	resp, body := s.do("POST", pathEvents+"?subject=nowhere", s.token("ann", nil), `"hi"`)
	if resp.StatusCode != 403 || !strings.Contains(body, `"code":"forbidden"`) {
		t.Errorf("answers %d %s", resp.StatusCode, body)
	}
}

func TestPathsAndMethodsThatAreNotThere(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	for _, w := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 404}, {"GET", "/_weft/v1", 404}, {"GET", "/_weft/v1/../v1/events", 404}, {"GET", "//_weft/v1/events", 400}, {"GET", "/_weft2/../_weft/v1/events", 400},
		{"DELETE", pathEvents, 405}, {"GET", pathConnections + "x", 405},
	} {
		resp, body := s.do(w.method, w.path, "", "")
		if resp.StatusCode != w.status || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s answers %d %s", w.method, w.path, resp.StatusCode, body)
		}
	}
}

func TestPagesOfOtherSites(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Public.CORSOrigins = []string{"https://app.example.com"} })
	cookie := "weft_token=" + s.token("ann", nil)
	for _, w := range []struct {
		origin, method string
		status         int
		allowed        string
	}{
		{"https://app.example.com", "POST", 202, "https://app.example.com"},
		{"https://evil.example.com", "POST", 403, ""},
	} {
		resp, body := s.do(w.method, pathEvents+"?subject=topic.hotel.1", "", `1`, "Cookie", cookie, "Origin", w.origin)
		if resp.StatusCode != w.status || resp.Header.Get("Access-Control-Allow-Origin") != w.allowed {
			t.Errorf("%s %s: %d %v %s", w.method, w.origin, resp.StatusCode, resp.Header, body)
		}
		_, hresp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.url(nil), "http"), http.Header{"Cookie": {cookie}, "Origin": {w.origin}})
		if (err == nil) != (w.status == 202) {
			t.Errorf("WebSocket of %s: %v %v", w.origin, hresp, err)
		}
	}
	resp, _ := s.do("OPTIONS", pathEvents, "", "", "Origin", "https://app.example.com",
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization")
	if resp.StatusCode != 204 || resp.Header.Get("Access-Control-Allow-Headers") != "authorization" {
		t.Errorf("preflight: %d %v", resp.StatusCode, resp.Header)
	}
}

func TestHTTP10GetsAnUnchunkedStream(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	conn, err := net.Dial("tcp", s.edge.PublicAddr().String())
	s.must(err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nAuthorization: Bearer %s\r\nAccept: text/event-stream\r\n\r\n", pathEvents, s.token("ann", nil))
	s.must(err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	s.must(err)
	var opened bool
	readSSE(resp.Body, func(h heard) {
		opened = opened || h.typ == wire.TypeOpen
		if h.typ == wire.TypeOpen {
			_ = conn.Close()
		}
	})
	if !opened || len(resp.TransferEncoding) > 0 {
		t.Errorf("opened %v, transfer encoding %v", opened, resp.TransferEncoding)
	}
}

func TestAPortInUseIsNamedWithItsKey(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	cfg := s.cfg
	cfg.Public.Listen = s.edge.PublicAddr().String()
	second, err := edge.New(cfg, s.deps, slog.New(slog.DiscardHandler), nil)
	s.must(err)
	err = second.Open(t.Context())
	if err == nil || !strings.Contains(err.Error(), "public.listen") || !strings.Contains(err.Error(), cfg.Public.Listen) {
		t.Errorf("opens with %v", err)
	}
	s.must(second.Close())
}

func TestACertificateThatCannotBeLoadedIsAnError(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	cfg := s.cfg
	cfg.Public.TLS = &config.KeyPair{Cert: "/nowhere/cert.pem", Key: "/nowhere/key.pem"}
	second, err := edge.New(cfg, s.deps, slog.New(slog.DiscardHandler), nil)
	s.must(err)
	if err := second.Open(t.Context()); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "public.tls") {
		t.Errorf("opens with %v", err)
	}
}

func TestTheTokenIsNeverEchoed(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("ann", nil)
	d := websocket.Dialer{Subprotocols: []string{"bearer." + token, "weft.v1"}}
	conn, resp, err := d.Dial("ws"+strings.TrimPrefix(s.url(nil), "http"), nil)
	s.must(err)
	defer func() { _ = conn.Close() }()
	var head strings.Builder
	s.must(resp.Header.Write(&head))
	if strings.Contains(head.String(), token) || conn.Subprotocol() != "weft.v1" {
		t.Errorf("handshake answered with %s", head.String())
	}
	_, _ = io.Copy(io.Discard, resp.Body)
}
