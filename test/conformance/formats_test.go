package conformance

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"weft/test/client"
)

// A post is an event as it is published, and as it is stored.
type post struct {
	what, typ, contentType, body string
	payload                      string            // what a client gets of the body
	attributes                   map[string]string // of a CloudEvent, besides type
}

var posts = []post{
	{"JSON", "note", "application/json", `{"n": 1, "s":"ü"}`, `{"n": 1, "s":"ü"}`, nil},
	{"text", "", "text/plain", "a room is free", "a room is free", nil},
	{"bytes", "blob", "application/octet-stream", "\x00\xff", "\x00\xff", nil},
	{"a structured CloudEvent", "order.paid", "application/cloudevents+json",
		`{"specversion":"1.0","id":"a-1","source":"/shop","type":"order.paid","time":"2026-01-02T03:04:05Z","tenant":"acme","data":{"n": 2}}`,
		`{"n": 2}`, map[string]string{"id": "a-1", "source": "/shop", "time": "2026-01-02T03:04:05Z", "tenant": "acme"}},
	{"a CloudEvent of application/json", "order.sent", "application/json",
		`{"specversion":"1.0","id":"a-2","source":"/shop","type":"order.sent","topic":"hall.TOPIC","data_base64":"AP8="}`,
		"\x00\xff", map[string]string{"id": "a-2", "source": "/shop"}},
}

// formats are rows of each format: whatever was published, it has the same shape.
func formats() (rows []behaviour) {
	says := map[string]string{"frame": "event.type event.data event.base64 event.cloudevent"}
	for _, format := range []string{"payload", "frame", "cloudevents"} {
		rows = append(rows, behaviour{"format " + format, nil, func(t *testing.T, p *place, kind client.Transport) {
			topic := fresh("format")
			v := p.visit(t, kind, tokenOf(t, fresh("ann"), nil), "subject", "topic.hall."+topic, "format", format)
			v.begun()
			var ids []string
			for _, x := range posts {
				q := url.Values{"subject": {"topic.hall." + topic}}
				body := strings.Replace(x.body, "hall.TOPIC", "hall."+topic, 1)
				if body != x.body {
					q = url.Values{}
				} else if x.attributes == nil && x.typ != "" {
					q.Set("type", x.typ)
				}
				ids = append(ids, p.publish(t, q.Encode(), x.contentType, body)...)
			}
			for i, h := range v.events(len(posts)) {
				if fault := posts[i].as(format, kind, h, "topic.hall."+topic, ids[i]); fault != "" {
					t.Errorf("%s is heard as %q %q %q: %s", posts[i].what, h.name, h.id, h.data, fault)
				}
			}
			if kind == client.SSE && format != "payload" {
				v.mu.Lock()
				for _, b := range v.blocks {
					if strings.Contains(b, "event:") {
						t.Errorf("the block has an event: line:\n%s", b)
					}
				}
				v.mu.Unlock()
			}
		}, says[format]})
	}
	return rows
}

// own says that it is a message of Weft's.
func (h heard) own() bool {
	return h.name == "answer" || h.json()["ref"] != nil || strings.HasPrefix(h.typ(), "weft.") && h.typ() != "weft.event"
}

// events awaits so many events and returns them.
func (v *visitor) events(n int) (list []heard) {
	v.t.Helper()
	v.await(fmt.Sprint(n, " events"), func(heard) bool {
		list = nil
		for _, h := range v.heard() {
			if !h.own() {
				list = append(list, h)
			}
		}
		return len(list) >= n
	})
	if len(list) > n {
		v.t.Fatalf("%d events, want %d: %v", len(list), n, list)
	}
	return list
}

// begun waits until the visitor misses nothing any more.
func (v *visitor) begun() {
	v.t.Helper()
	v.await("a beginning", func(h heard) bool { return h.own() })
}

// as says what is wrong with what was heard of a post.
func (x post) as(format string, kind client.Transport, h heard, subject, id string) string {
	f := h.json()
	if format == "payload" {
		return x.asPayload(kind, h)
	}
	if h.name != "" {
		return "it is of a type of SSE"
	}
	if kind == client.SSE && h.id == "" {
		return "there is no cursor"
	}
	want := map[string]any{"type": x.typ, "subject": subject, "event": id}
	attributes := f["cloudevent"]
	if format == "cloudevents" {
		want = map[string]any{"specversion": "1.0", "type": x.typ, "weftsubject": subject, "weftevent": id, "id": id, "source": "/weft"}
		attributes = map[string]any(f)
		if x.typ == "" {
			want["type"] = "weft.event"
		}
		for name, value := range x.attributes {
			want[name] = value
		}
		if cursor, _ := f["weftcursor"].(string); cursor == "" {
			return "there is no weftcursor"
		}
	} else if cursor, _ := f["id"].(string); cursor == "" {
		return "there is no cursor in the frame"
	}
	if x.typ == "" && format == "frame" {
		delete(want, "type")
	}
	for name, value := range want {
		if f[name] != value {
			return fmt.Sprintf("%s is %v, want %v", name, f[name], value)
		}
	}
	if x.attributes == nil && format == "frame" && attributes != nil {
		return "it is said to be a CloudEvent"
	}
	for name, value := range x.attributes {
		if all, _ := attributes.(map[string]any); all[name] != value {
			return fmt.Sprintf("the CloudEvent's %s is %v, want %s", name, all[name], value)
		}
	}
	return x.asData(f)
}

// asData says what is wrong with data or data_base64 of a frame.
func (x post) asData(f frame) string {
	var parts map[string]json.RawMessage
	_ = json.Unmarshal([]byte(mustJSON(f)), &parts)
	switch {
	case json.Valid([]byte(x.payload)) && utf8.ValidString(x.payload):
		if !sameJSON(parts["data"], []byte(x.payload)) {
			return fmt.Sprintf("data is %s", parts["data"])
		}
	case utf8.ValidString(x.payload):
		if f["data"] != x.payload {
			return fmt.Sprintf("data is %s", parts["data"])
		}
	default:
		text, _ := f["data_base64"].(string)
		if raw, err := base64.StdEncoding.DecodeString(text); err != nil || string(raw) != x.payload {
			return fmt.Sprintf("data_base64 is %s", parts["data_base64"])
		}
	}
	return ""
}

func (x post) asPayload(kind client.Transport, h heard) string {
	text := utf8.ValidString(x.payload)
	switch kind {
	case client.SSE:
		if h.name != x.typ {
			return "its type is another"
		}
		if !text {
			return x.asData(h.json())
		}
	case client.WebSocket:
		if h.binary == text {
			return "it is of another kind of message"
		}
	case client.Poll:
		if !text {
			return x.asData(h.json())
		}
		if !json.Valid([]byte(x.payload)) {
			h.data = strings.Trim(h.data, `"`)
		}
		if json.Valid([]byte(x.payload)) && sameJSON([]byte(h.data), []byte(x.payload)) {
			return ""
		}
	}
	if h.data != x.payload {
		return "its payload is another"
	}
	return ""
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && mustJSON(x) == mustJSON(y)
}

// longFrame is that of the payload that JSON makes the most of.
func longFrame(t *testing.T, p *place, kind client.Transport) {
	ann, payload := fresh("ann"), strings.Repeat("\x00", 1<<20)
	v := p.visit(t, kind, tokenOf(t, ann, nil), "format", "frame")
	v.begun()
	p.publish(t, "subject=user."+ann, "application/octet-stream", payload)
	got := v.events(1)[0]
	if got.json()["data"] != payload || len(got.data) < 6<<20 || len(got.data) > 7<<20 {
		t.Errorf("a frame of %d bytes", len(got.data))
	}
}
