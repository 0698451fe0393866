package wire

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"weft/jetstream/event"
	"weft/jetstream/feed"
)

// sseEvent is what an event source would dispatch.
type dispatched struct{ id, typ, data string }

// parse reads a stream as WHATWG HTML section 9.2.6 says, lone CRs included.
func parse(stream string) (out []dispatched) {
	stream = strings.ReplaceAll(strings.ReplaceAll(stream, "\r\n", "\n"), "\r", "\n")
	var e dispatched
	var data []string
	in := bufio.NewScanner(strings.NewReader(stream))
	in.Buffer(nil, 8<<20)
	for in.Scan() {
		name, value, _ := strings.Cut(in.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case in.Text() == "":
			if data != nil {
				e.data = strings.Join(data, "\n")
				out = append(out, e)
			}
			e, data = dispatched{}, nil
		case name == "id":
			e.id = value
		case name == "event":
			e.typ = value
		case name == "data":
			data = append(data, value)
		}
	}
	return out
}

// payloadOf reads the payload of a JSON frame: as published, but for JSON,
// which may have lost its line breaks.
func payloadOf(t *testing.T, frame []byte, id string) (typ string, payload []byte) {
	t.Helper()
	var f struct {
		ID, Event, Subject, Type string
		Data                     json.RawMessage
		DataBase64               *string `json:"data_base64"`
	}
	if err := json.Unmarshal(frame, &f); err != nil || !utf8.Valid(frame) {
		t.Fatalf("frame %q: %v", frame, err)
	}
	if f.ID != id || f.Event != (&feed.Message{Seq: 7}).ID() || f.Subject != "user.ann" {
		t.Fatalf("frame %q has another id, event or subject", frame)
	}
	if f.DataBase64 != nil {
		raw, err := base64.StdEncoding.DecodeString(*f.DataBase64)
		if err != nil {
			t.Fatal(err)
		}
		return f.Type, raw
	}
	return f.Type, f.Data
}

// samePayload compares what a JSON frame carries with what was published.
func samePayload(got, published []byte) bool {
	if bytes.Equal(got, published) {
		return true
	}
	var text string
	if json.Unmarshal(got, &text) == nil && text == string(published) {
		return true
	}
	var a, b bytes.Buffer
	return json.Compact(&a, got) == nil && json.Compact(&b, published) == nil && a.String() == b.String()
}

func FuzzEveryFormatCarriesThePayload(f *testing.F) {
	for _, p := range []string{
		"", "text", "two\nlines\n", "\n", "a\rb", "a\r\nb", `{"a":1}`, "{\"a\":\r\n1}", "\"caf\xe9\"", "\x00\xff",
		`{"id":"other","subject":"user.bob"}`, "data: x\n\nid: 7", strings.Repeat("x", 70_000), "\u2028", "[1.0e400]",
	} {
		f.Add([]byte(p), "order.shipped", "CURSOR_of-many")
	}
	f.Fuzz(func(t *testing.T, payload []byte, typ, id string) {
		for i := range len(id) { // a cursor is URL-safe
			if c := id[i]; c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
				return
			}
		}
		for i, own := range []string{"", id, "", id, sharedID} {
			m := &feed.Message{Subject: "user.ann", Type: typ, Data: payload, Seq: 7}
			if i > 1 { // what many get is put together in another way
				share(m)
			}
			want := own
			if own == "" {
				want = m.ID()
			}
			head, rest := Poll.Event(m, own)
			frameType, got := payloadOf(t, append(bytes.Clone(head), rest...), want)
			if !samePayload(got, payload) {
				t.Errorf("JSON carries %q, published %q", got, payload)
			}
			if strings.HasPrefix(frameType, "weft.") || frameType != "" && frameType != typ {
				t.Errorf("type %q, published %q", frameType, typ)
			}
			head, rest = WebSocket.Event(m, own)
			if body := messageBody(append(bytes.Clone(head), rest...)); !json.Valid(body) {
				t.Errorf("WebSocket message %q", body)
			}
			for _, format := range []Format{SSE, SSEFrame} {
				head, rest := format.Event(m, own)
				events := parse(string(head) + string(rest))
				if len(events) != 1 || events[0].id != want || events[0].typ != frameType && format == SSE || events[0].typ != "" && format == SSEFrame {
					t.Fatalf("format %d makes %+v of %q", format, events, payload)
				}
				data := []byte(events[0].data)
				if format == SSE && utf8.Valid(payload) && !bytes.ContainsRune(payload, '\r') {
					if !bytes.Equal(data, payload) {
						t.Errorf("SSE carries %q, published %q", data, payload)
					}
				} else if _, got := payloadOf(t, data, want); !samePayload(got, payload) {
					t.Errorf("SSE frame carries %q, published %q", got, payload)
				}
			}
		}
	})
}

// sharedID is the id that many hold after a message that is shared.
var sharedID = share(&feed.Message{Seq: 7})

// share makes a message one that goes to several connections.
func share(m *feed.Message) (id string) {
	m.GoesTo(2)
	return m.Cursor(event.StreamID{}, 3, []event.Position{{Subject: event.HashSubject("user.ann"), Seq: 7}})
}

var all = []Format{SSE, SSEFrame, SSECloudEvents, WebSocket, WebSocketPayload, WebSocketCloudEvents, Poll, PollPayload, PollCloudEvents}

func TestTheSharedPartIsEncodedOnce(t *testing.T) {
	for _, data := range []string{`{"n":1}`, "with\rCR", strings.Repeat("large", 1000)} {
		m := &feed.Message{Subject: "user.ann", Data: []byte(data), Seq: 7}
		share(m)
		for _, f := range all {
			_, first := f.Event(m, "")
			_, second := f.Event(m, "")
			_, other := f.Event(m, "composite")
			if &first[0] != &second[0] || &first[len(first)-1] != &other[len(other)-1] {
				t.Errorf("format %d: the bytes are not shared", f)
			}
		}
	}
}

func TestWhoStandsAtTheSamePlaceIsSentTheSameBytes(t *testing.T) {
	for _, data := range []string{`{"n":1}`, "with\rCR", strings.Repeat("large", 1000)} {
		m := &feed.Message{Subject: "user.ann", Data: []byte(data), Seq: 7}
		share(m)
		for _, f := range all {
			head, rest := f.Event(m, sharedID)
			again, second := f.Event(m, sharedID)
			_, plain := f.Event(m, "")
			if &rest[0] != &second[0] || len(head) > 0 && &head[0] != &again[0] {
				t.Errorf("format %d: the bytes are not shared", f)
			}
			if large := len(data) > 1<<10; large != (&rest[len(rest)-1] == &plain[len(plain)-1]) && f != WebSocketPayload && f != PollPayload {
				t.Errorf("format %d: of %d bytes what does not depend on the id is there once: %v", f, len(data), !large)
			}
		}
	}
}

func TestAnIDThatNobodySharesIsNotKept(t *testing.T) {
	m := &feed.Message{Subject: "user.ann", Data: []byte(`{"n":1}`), Seq: 7}
	m.GoesTo(2)
	for i := range 100 {
		id := m.Cursor(event.StreamID{}, uint64(i), []event.Position{{Subject: event.HashSubject("user.ann"), Seq: 200}})
		first, _ := SSE.Event(m, id)
		second, rest := SSE.Event(m, id)
		if kept := len(first) == 0; kept != (i < 4) || !strings.HasPrefix(string(second)+string(rest), "id: "+id+"\n") {
			t.Errorf("of the id of place %d it is kept: %v", i, kept)
		}
	}
}

func TestWhatGoesToOneConnectionIsSpeltForItAlone(t *testing.T) {
	one := &feed.Message{Subject: "user.ann", Type: "order.paid", Data: []byte(`{"n":1}`), Seq: 7}
	many := &feed.Message{Subject: "user.ann", Type: "order.paid", Data: []byte(`{"n":1}`), Seq: 7}
	one.GoesTo(1)
	many.GoesTo(2)
	for _, f := range all {
		for _, id := range []string{"", "composite"} {
			head, rest := f.Event(one, id)
			if len(head) > 0 || string(rest) != string(both(f.Event(many, id))) {
				t.Errorf("format %d, id %q: %q, then %q", f, id, head, rest)
			}
			if _, again := f.Event(one, id); &again[0] == &rest[0] {
				t.Errorf("format %d, id %q: it is kept for nobody", f, id)
			}
		}
	}
}

func both(head, rest []byte) []byte { return slices.Concat(head, rest) }

func TestMessageHeadersOfEveryLength(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 1 << 20} {
		body := bytes.Repeat([]byte("x"), n)
		if got := messageBody(Text(body)); !bytes.Equal(got, body) {
			t.Errorf("%d bytes become %d", n, len(got))
		}
	}
}

func TestControlFramesAreBounded(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, f := range map[string][]byte{"pong": Pong(long), "close": Close(websocket.CloseGoingAway, long)} {
		if len(f) != 2+maxControl || int(f[1]) != maxControl {
			t.Errorf("%s has %d bytes and says %d", name, len(f), f[1])
		}
	}
}

func TestKeepalivesAreShared(t *testing.T) {
	var k Keepalives
	a, b, c := k.Frame(SSE, "x", false), k.Frame(SSE, "x", false), k.Frame(SSE, "y", false)
	if &a[0] != &b[0] || string(a) != "id: x\nevent: weft.keepalive\ndata: {}\n\n" || string(c) != "id: y\nevent: weft.keepalive\ndata: {}\n\n" {
		t.Errorf("frames %q, %q, %q", a, b, c)
	}
	if plain := string(k.Frame(SSE, "", false)); plain != "event: weft.keepalive\ndata: {}\n\n" {
		t.Errorf("plain frame %q", plain)
	}
	message := k.Frame(WebSocket, "x", true)
	if body := string(messageBody(message[:len(message)-2])); body != `{"id":"x","type":"weft.keepalive"}` || !bytes.HasSuffix(message, Ping()) {
		t.Errorf("over WebSocket %q", message)
	}
}

func TestRetryIsInMillisecondsAndInTheBlock(t *testing.T) {
	for f, want := range map[Format]string{
		SSE:      "retry: 1500\nevent: weft.close\ndata: {\"reason\":\"drain\"}\n\n",
		SSEFrame: "retry: 1500\ndata: {\"type\":\"weft.close\",\"data\":{\"reason\":\"drain\"}}\n\n",
	} {
		if got := string(f.ControlRetry(1500*time.Millisecond, "", TypeClose, []byte(`{"reason":"drain"}`))); got != want {
			t.Errorf("format %d: %q, want %q", f, got, want)
		}
	}
	if got := string(SSE.Control("x", TypeOpen, []byte("{}"))); got != "retry: 2000\nid: x\nevent: weft.open\ndata: {}\n\n" {
		t.Errorf("weft.open is %q", got)
	}
}
