package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"weft/test/client"
)

const events = "/_weft/v1/events"

// heard is one thing that a visitor was told, as it was told.
type heard struct {
	// name is SSE's field event; of a poll it says which member of the answer it is.
	name   string
	id     string // SSE's field id
	data   string
	binary bool // a binary message
}

// A frame is what the JSON of a frame, an answer, or a CloudEvent holds.
type frame map[string]any

// json is what the data holds, nil when it is no JSON object.
func (h heard) json() (f frame) {
	_ = json.Unmarshal([]byte(h.data), &f) // then there is none
	return f
}

// typ is the type of a frame, or of an event of SSE.
func (h heard) typ() string {
	if h.name != "" {
		return h.name
	}
	t, _ := h.json()["type"].(string)
	return t
}

// A visitor is a connection, or a row of polls. What it hears is kept.
type visitor struct {
	t      *testing.T
	kind   client.Transport
	place  *place
	node   int
	socket *websocket.Conn
	query  url.Values
	token  string

	mu      sync.Mutex
	all     []heard
	blocks  []string // the blocks of a stream of SSE, as they are
	over    error
	changed chan struct{}
	write   sync.Mutex
}

// visit follows with a token, "" for none, until the test ends. query are pairs.
func (p *place) visit(t *testing.T, kind client.Transport, token string, query ...string) *visitor {
	t.Helper()
	return p.visitAt(following, t, kind, token, query...)
}

func (p *place) visitAt(node int, t *testing.T, kind client.Transport, token string, query ...string) *visitor {
	t.Helper()
	v := &visitor{t: t, kind: kind, place: p, node: node, token: token, query: url.Values{}, changed: make(chan struct{})}
	for i := 0; i+1 < len(query); i += 2 {
		v.query.Add(query[i], query[i+1])
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	run := map[client.Transport]func(context.Context) error{client.SSE: v.stream, client.WebSocket: v.converse, client.Poll: v.poll}[kind]
	go func() {
		defer close(done)
		err := run(ctx)
		v.tell(nil, func() { v.over = err })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		if t.Failed() {
			t.Logf("%s %v heard %+v", kind, query, v.heard())
		}
	})
	return v
}

// tell adds what was heard.
func (v *visitor) tell(h *heard, more func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if h != nil {
		v.all = append(v.all, *h)
	}
	if more != nil {
		more()
	}
	close(v.changed)
	v.changed = make(chan struct{})
}

func (v *visitor) heard() []heard {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.all)
}

// await returns the first thing that is so.
func (v *visitor) await(what string, so func(heard) bool) heard {
	v.t.Helper()
	limit := time.After(time.Minute)
	for {
		v.mu.Lock()
		all, over, changed := v.all, v.over, v.changed
		v.mu.Unlock()
		if i := slices.IndexFunc(all, so); i >= 0 {
			return all[i]
		}
		if over != nil {
			v.t.Fatalf("%s: the connection ended (%v) before %s", v.kind, over, what)
		}
		select {
		case <-changed:
		case <-limit:
			v.t.Fatalf("%s: waited in vain for %s", v.kind, what)
		}
	}
}

// awaitType returns the first thing of a type.
func (v *visitor) awaitType(typ string) heard {
	v.t.Helper()
	return v.await(typ, func(h heard) bool { return h.typ() == typ })
}

func (v *visitor) request(ctx context.Context) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.place.url(v.node, events+"?"+v.query.Encode()), nil)
	if err != nil {
		return nil, err
	}
	if v.token != "" {
		req.Header.Set("Authorization", "Bearer "+v.token)
	}
	if v.kind == client.SSE {
		req.Header.Set("Accept", "text/event-stream")
	}
	answer, err := v.place.http.Do(req)
	if err != nil {
		return nil, err
	}
	if http2 := answer.ProtoMajor == 2; http2 != v.place.http2 {
		v.t.Errorf("spoken: %s", answer.Proto)
	}
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		return nil, fmt.Errorf("status %d: %s", answer.StatusCode, text)
	}
	return answer, nil
}

// stream reads blocks as WHATWG HTML section 9.2.6 says, and keeps them.
func (v *visitor) stream(ctx context.Context) error {
	answer, err := v.request(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	in := bufio.NewReader(answer.Body)
	var h heard
	var block strings.Builder
	var data []string
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		if line == "\n" {
			h.data = strings.Join(data, "\n")
			text := block.String()
			v.tell(&h, func() { v.blocks = append(v.blocks, text) })
			h, data = heard{}, nil
			block.Reset()
			continue
		}
		block.WriteString(line)
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			h.id = value
		case "event":
			h.name = value
		case "data":
			data = append(data, value)
		}
	}
}

func (v *visitor) converse(ctx context.Context) error {
	d := websocket.Dialer{Subprotocols: []string{"weft.v1"}, TLSClientConfig: v.place.trust()}
	header := http.Header{}
	if v.token != "" {
		header.Set("Authorization", "Bearer "+v.token)
	}
	address := strings.Replace(v.place.url(v.node, events+"?"+v.query.Encode()), "http", "ws", 1)
	conn, answer, err := d.DialContext(ctx, address, header)
	if err != nil {
		if answer != nil {
			text, _ := io.ReadAll(answer.Body)
			return fmt.Errorf("status %d: %s", answer.StatusCode, text)
		}
		return err
	}
	v.tell(nil, func() { v.socket = conn })
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil {
			return err
		}
		v.tell(&heard{data: string(message), binary: kind == websocket.BinaryMessage}, nil)
	}
}

// poll asks again and again. Of an answer each event is heard by itself, and the rest as
// "answer".
func (v *visitor) poll(ctx context.Context) error {
	if v.query.Get("wait") == "" {
		v.query.Set("wait", "5s")
	}
	for {
		answer, err := v.request(ctx)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			return err
		}
		var parts map[string]json.RawMessage
		var list []json.RawMessage
		var last, present string
		if err := json.Unmarshal(body, &parts); err != nil {
			return err
		}
		_ = json.Unmarshal(parts["events"], &list)
		_ = json.Unmarshal(parts["last_event_id"], &last)
		_ = json.Unmarshal(parts["presence_id"], &present)
		for _, e := range list {
			v.tell(&heard{data: string(e)}, nil)
		}
		rest := maps.Clone(parts)
		delete(rest, "events")
		text, err := json.Marshal(rest)
		if err != nil {
			return err
		}
		v.tell(&heard{name: "answer", id: last, data: string(text)}, nil)
		v.query.Set("last_event_id", last)
		if present != "" {
			v.query.Set("presence", present)
		}
	}
}

// open is what the connection is called, and all of weft.open.
func (v *visitor) open() (connection string, about frame) {
	v.t.Helper()
	h := v.awaitType("weft.open")
	about = h.json()
	if inner, ok := about["data"].(map[string]any); ok {
		about = inner
	}
	connection, _ = about["connection"].(string)
	return connection, about
}

// say sends a command over a WebSocket and returns its answer.
func (v *visitor) say(ref string, command map[string]any) frame {
	v.t.Helper()
	command = maps.Clone(command)
	command["ref"] = ref
	v.write.Lock()
	err := v.socket.WriteJSON(command)
	v.write.Unlock()
	if err != nil {
		v.t.Fatal(err)
	}
	return v.await("an answer to "+ref, func(h heard) bool { return h.json()["ref"] == ref }).json()
}

// change changes the connection: by a message, or by PATCH at another node.
func (v *visitor) change(token string, change map[string]any) (status int, answer frame) {
	v.t.Helper()
	connection, _ := v.open()
	body, err := json.Marshal(change)
	if err != nil {
		v.t.Fatal(err)
	}
	status, text := v.place.call(v.t, http.MethodPatch, v.place.url(changing, "/_weft/v1/connections/"+connection), token, "application/json", body)
	if err := json.Unmarshal(text, &answer); err != nil {
		v.t.Fatalf("%v: %s", err, text)
	}
	return status, answer
}

// call asks something of a node.
func (p *place) call(t *testing.T, method, address, token, contentType string, body []byte) (int, []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return p.send(t, req)
}

// send sends a request, and returns the status and what is answered.
func (p *place) send(t *testing.T, req *http.Request) (int, []byte) {
	t.Helper()
	answer, err := p.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, text
}

// publish publishes at another node than the one that is followed at, and returns the
// events' ids.
func (p *place) publish(t *testing.T, query, contentType string, body string) []string {
	t.Helper()
	address := p.nodes[publishing].AdminURL() + events
	if query != "" {
		address += "?" + query
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	if !strings.Contains(contentType, "cloudevents") {
		req.Header.Set("Idempotency-Key", fresh("key")) // a node that is busy tries again
	}
	status, text := p.send(t, req)
	var answer struct{ IDs []string }
	if err := json.Unmarshal(text, &answer); status != http.StatusAccepted || err != nil || len(answer.IDs) == 0 {
		t.Fatalf("publish: %d %s", status, text)
	}
	return answer.IDs
}

// has waits until a node has so many events of a subject: what was published at another one is
// on its way to it, and would come to who follows only then.
func (p *place) has(t *testing.T, node int, token, subject string, n int) {
	t.Helper()
	q := url.Values{"subject": {subject}, "since": {"all"}, "wait": {"0s"}}
	var text []byte
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		var a answered
		_, text = p.inquire(t, node, inquiry{http.MethodGet, events + "?" + q.Encode(), bearer(token), nil})
		if json.Unmarshal(text, &a) == nil && len(a.Events) >= n {
			return
		}
	}
	t.Fatalf("node %d has not %d events of %s: %s", node, n, subject, text)
}
