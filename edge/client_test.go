package edge_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"weft/edge/transport"
	"weft/edge/wire"
)

// heard is one thing that a client was told, the same for every transport.
type heard struct {
	id, typ, subject string
	data             string // SSE: as it stands there; else as the JSON frame has it
	code             int    // of a WebSocket close frame
	status           int    // of an HTTP answer that refused
	problem          string // its code
	detail           string // the sentence of a problem, the text of a close frame
	frame            map[string]json.RawMessage
}

// client is a connection that was asked for; what it hears comes on a channel
// that is closed at the end.
type client struct {
	t      *testing.T
	kind   string
	heard  chan heard
	socket *websocket.Conn
	cancel context.CancelFunc
	done   chan struct{}
}

// A clientKind is a client of a transport.
type clientKind struct {
	transport string
	run       func(c *client, ctx context.Context, s *stack, v visitor)
}

// kinds are the clients of all transports, for which the table of cases is run.
var kinds = []clientKind{
	{transport.SSE, (*client).runSSE},
	{transport.WebSocket, (*client).runWebSocket},
	{transport.Poll, (*client).runPoll},
}

func allKinds() (names []string) {
	for _, k := range kinds {
		names = append(names, k.transport)
	}
	return names
}

// A transport that no client of the table speaks would be tested by nothing.
func TestEveryTransportHasAClient(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	families, err := s.reg.Gather()
	s.must(err)
	var names []string
	for _, f := range families {
		if f.GetName() == "weft_edge_connections" {
			for _, m := range f.GetMetric() {
				names = append(names, m.GetLabel()[0].GetValue())
			}
		}
	}
	slices.Sort(names)
	if want := slices.Sorted(slices.Values(allKinds())); !slices.Equal(names, want) {
		t.Errorf("there are the transports %v, and clients of %v", names, want)
	}
}

// visitor is what a client brings along.
type visitor struct {
	token  string
	query  url.Values
	header http.Header
}

// connect opens a connection of a kind; it does not wait for anything.
func (s *stack) connect(kind string, v visitor) *client {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &client{t: s.t, kind: kind, heard: make(chan heard, 4096), cancel: cancel, done: make(chan struct{})}
	if v.query == nil {
		v.query = url.Values{}
	}
	if v.header == nil {
		v.header = http.Header{}
	}
	if v.token != "" {
		v.header.Set("Authorization", "Bearer "+v.token)
	}
	run := kinds[slices.IndexFunc(kinds, func(k clientKind) bool { return k.transport == kind })].run
	go func() {
		defer close(c.done)
		defer close(c.heard)
		run(c, ctx, s, v)
	}()
	s.t.Cleanup(c.close)
	return c
}

func (c *client) close() {
	c.cancel()
	<-c.done
}

// next returns what is heard next, keep-alives left out.
func (c *client) next() heard {
	c.t.Helper()
	for {
		if h := c.any(); h.typ != wire.TypeKeepalive {
			return h
		}
	}
}

// any returns what is heard next.
func (c *client) any() heard {
	c.t.Helper()
	select {
	case h, ok := <-c.heard:
		if !ok {
			c.t.Fatalf("%s: the connection ended, something was still to come", c.kind)
		}
		return h
	case <-time.After(30 * time.Second):
		c.t.Fatalf("%s: nothing within 30s", c.kind)
	}
	return heard{}
}

// opened reads weft.open and returns it.
func (c *client) opened() heard {
	c.t.Helper()
	h := c.next()
	if h.typ != wire.TypeOpen {
		c.t.Fatalf("%s: the first thing heard is %+v, want weft.open", c.kind, h)
	}
	return h
}

// ended reads until the connection ended and returns what came last.
func (c *client) ended() heard {
	c.t.Helper()
	last, deadline := heard{}, time.After(30*time.Second)
	for {
		select {
		case h, ok := <-c.heard:
			if !ok {
				return last
			}
			if h.code != 0 && last.typ == wire.TypeClose {
				last.code, last.detail = h.code, h.detail // the close frame follows weft.close
			} else {
				last = h
			}
		case <-deadline:
			c.t.Fatalf("%s: not ended within 30s", c.kind)
		}
	}
}

func (s *stack) request(ctx context.Context, v visitor) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url(v.query), nil)
	if err != nil {
		return nil, err
	}
	req.Header = v.header
	return s.client.Do(req)
}

func (c *client) refused(resp *http.Response) {
	var p struct{ Code, Detail string }
	_ = json.NewDecoder(resp.Body).Decode(&p)
	c.heard <- heard{status: resp.StatusCode, problem: p.Code, detail: p.Detail}
}

func (c *client) runSSE(ctx context.Context, s *stack, v visitor) {
	v.header.Set("Accept", "text/event-stream")
	resp, err := s.request(ctx, v)
	if err != nil {
		return
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		c.refused(resp)
		return
	}
	readSSE(resp.Body, func(h heard) { c.heard <- h })
}

// readSSE parses a stream as WHATWG HTML section 9.2.6 says.
func readSSE(r io.Reader, tell func(heard)) {
	in := bufio.NewReader(r)
	var h heard
	var data []string
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			if data != nil {
				h.data = strings.Join(data, "\n")
				tell(h)
			}
			h, data = heard{}, nil
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			h.id = value
		case "event":
			h.typ = value
		case "data":
			data = append(data, value)
		}
	}
}

func (c *client) runWebSocket(ctx context.Context, s *stack, v visitor) {
	d := websocket.Dialer{Subprotocols: []string{"weft.v1"}, TLSClientConfig: s.trust.Clone()}
	conn, resp, err := d.DialContext(ctx, "ws"+strings.TrimPrefix(s.url(v.query), "http"), v.header)
	if err != nil {
		if resp != nil {
			c.refused(resp)
		}
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	c.socket = conn
	for {
		_, message, err := conn.ReadMessage()
		if err != nil {
			if told, ok := errors.AsType[*websocket.CloseError](err); ok {
				c.heard <- heard{code: told.Code, detail: told.Text}
			}
			return
		}
		c.heard <- parseFrame(message)
	}
}

// parseFrame reads a JSON frame.
func parseFrame(message []byte) heard {
	var f map[string]json.RawMessage
	if json.Unmarshal(message, &f) != nil {
		return heard{typ: "no JSON: " + string(message)}
	}
	text := func(name string) (s string) {
		_ = json.Unmarshal(f[name], &s)
		return s
	}
	h := heard{id: text("id"), typ: text("type"), subject: text("subject"), data: string(f["data"]), frame: f}
	if encoded, ok := f["data_base64"]; ok {
		var s string
		_ = json.Unmarshal(encoded, &s)
		raw, _ := base64.StdEncoding.DecodeString(s)
		h.data = string(raw)
	}
	return h
}

// runPoll polls again and again, and tells it as the other transports do.
func (c *client) runPoll(ctx context.Context, s *stack, v visitor) {
	first := v.query.Get("last_event_id") == ""
	var states []string // of presence, those told last
	v.query.Set("wait", "2s")
	for ctx.Err() == nil {
		resp, err := s.request(ctx, v)
		if err != nil {
			return
		}
		if resp.StatusCode != http.StatusOK {
			c.refused(resp)
			_ = resp.Body.Close()
			return
		}
		var body struct {
			Events     []json.RawMessage
			LastID     string `json:"last_event_id"`
			Reset      bool
			Resets     json.RawMessage
			Presence   []json.RawMessage
			PresenceID string `json:"presence_id"`
			Close      json.RawMessage
		}
		err = json.NewDecoder(resp.Body).Decode(&body)
		_ = resp.Body.Close()
		if err != nil {
			return
		}
		if first {
			c.heard <- heard{typ: wire.TypeOpen, id: body.LastID}
			first = false
		}
		if body.Reset {
			c.heard <- heard{typ: wire.TypeReset, id: body.LastID, data: string(body.Resets)}
		}
		for _, e := range body.Events {
			c.heard <- parseFrame(e)
		}
		for _, state := range body.Presence {
			if !slices.Contains(states, string(state)) {
				c.heard <- heard{typ: wire.TypePresence, data: string(state)}
			}
		}
		if states = nil; body.PresenceID != "" {
			for _, state := range body.Presence {
				states = append(states, string(state))
			}
			v.query.Set("presence", body.PresenceID)
		}
		if len(body.Events) == 0 && !body.Reset {
			c.heard <- heard{typ: wire.TypeKeepalive, id: body.LastID}
		}
		if body.Close != nil {
			c.heard <- heard{typ: wire.TypeClose, data: string(body.Close)}
			return
		}
		if resp.Close { // sent elsewhere
			c.heard <- heard{typ: wire.TypeClose, data: `{"reason":"drain","reconnect":true}`}
			return
		}
		v.query.Set("last_event_id", body.LastID)
	}
}
