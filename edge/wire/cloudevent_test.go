package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"weft/bridge/cloudevent"
	"weft/jetstream/event"
	"weft/jetstream/feed"
)

// membersOf are the members of a JSON object, each of which must be there once.
func membersOf(t *testing.T, doc []byte) map[string]json.RawMessage {
	t.Helper()
	if !utf8.Valid(doc) || bytes.ContainsAny(doc, "\r\n") {
		t.Fatalf("%q is not UTF-8 in one line", doc)
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		t.Fatalf("%q is no object: %v", doc, err)
	}
	members := map[string]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		var value json.RawMessage
		if err == nil {
			err = d.Decode(&value)
		}
		if err != nil {
			t.Fatalf("%q: %v", doc, err)
		}
		if members[name.(string)] != nil {
			t.Fatalf("%q has %s twice", doc, name)
		}
		members[name.(string)] = value
	}
	if end, err := d.Token(); err != nil || end != json.Delim('}') || d.InputOffset() != int64(len(doc)) {
		t.Fatalf("%q does not end: %v", doc, err)
	}
	return members
}

func textOf(t *testing.T, raw json.RawMessage) (s string) {
	t.Helper()
	if raw != nil && json.Unmarshal(raw, &s) != nil {
		t.Fatalf("%s is no string", raw)
	}
	return s
}

// asJSON is a string as JSON can hold it.
func asJSON(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

// stated are the attributes that headers state, by another reading than the package's.
func stated(headers string) (first map[string]string, contentType string) {
	first = map[string]string{}
	for line := range strings.SplitSeq(headers, "\n") {
		name, value, ok := strings.Cut(line, ":")
		lower := strings.ToLower(name)
		if ok && lower == "content-type" && contentType == "" {
			contentType = value
		}
		if attribute, is := strings.CutPrefix(lower, "ce-"); ok && is && attributeName.MatchString(attribute) && attribute != "data" {
			if _, known := first[attribute]; !known {
				first[attribute] = cloudevent.Decoded(value)
			}
		}
	}
	return first, contentType
}

var attributeName = regexp.MustCompile(`^[a-z0-9]{1,100}$`)

// sent is a document as it is sent to a connection with an id of its own, from its two parts.
func sent(f Format, m *feed.Message, id string) []byte {
	head, rest := f.Event(m, id)
	return slices.Concat(head, rest)
}

func FuzzEveryFormatShowsWhatWasStored(f *testing.F) {
	const binary = "ce-specversion:1.0\nce-id:7\nce-source:/s%20t\nce-subject:s\nce-time:2026-01-02T03:04:05Z\nce-ext:x\ntraceparent:00-1\n"
	f.Add([]byte(`{"a":1}`), binary+"content-type:application/json\n", "order.shipped", "CURSOR")
	f.Add([]byte("123"), binary+"content-type:text/plain\nce-weftcursor:forged\nce-id:8\nCe-Type:x\nce-data:y\nce-data_base64:z\n", "a", "")
	f.Add([]byte("\x00\xff"), binary+"Content-Type:image/png\nce-datacontenttype:x/y\n", "a", "x")
	f.Add([]byte("a\r\nb"), "ce-specversion:0.3\nce-id:\"a\\\"b\"\nce-source:%0Aid: 9%0A%0Adata: x\nce-schemaurl:/u\nce-ext:\rdata: x\r\r\n", "a", "x")
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"a","weftcursor":"forged","data":1}`), "content-type:application/cloudevents+json\n", "a", "x")
	f.Add([]byte("text"), "", "", "")
	f.Add([]byte(""), "ce-specversion:1.0\nce-id:1\n", "weft.open", "x")
	f.Fuzz(func(t *testing.T, payload []byte, headers, typ, id string) {
		if !regexp.MustCompile(`^[\w-]*$`).MatchString(id) || headers != "" && !strings.HasSuffix(headers, "\n") {
			return // a cursor is URL-safe, and each header a line
		}
		m := &feed.Message{Subject: "user.ann", Type: typ, Seq: 7}
		m.Hold(event.Headers(headers), payload)
		if len(payload)%2 == 1 {
			m.GoesTo(2)
		}
		want := id
		if id == "" {
			want = m.ID()
		}
		if event.CheckType(typ) != nil {
			typ = ""
		}
		attributes, contentType := stated(headers)
		version := attributes["specversion"] + attributes["cloudeventsversion"]
		isCloudEvent := typ != "" && strings.HasPrefix(version, "1.") && attributes["id"] != "" && attributes["source"] != ""

		frame := membersOf(t, sent(Poll, m, id))
		if got := textOf(t, frame["id"]); got != want || textOf(t, frame["event"]) != m.ID() || textOf(t, frame["subject"]) != "user.ann" || textOf(t, frame["type"]) != typ {
			t.Fatalf("frame %v", frame)
		}
		if (frame["cloudevent"] != nil) != isCloudEvent && !strings.HasPrefix(version, "0.") && attributes["cloudeventsversion"] == "" {
			t.Fatalf("frame %v of headers %q", frame, headers)
		}
		ce := membersOf(t, sent(PollCloudEvents, m, id))
		if textOf(t, ce["weftcursor"]) != want || textOf(t, ce["weftevent"]) != m.ID() || textOf(t, ce["weftsubject"]) != "user.ann" || textOf(t, ce["specversion"]) != "1.0" {
			t.Fatalf("CloudEvent %v", ce)
		}
		for _, required := range []string{"id", "source", "type"} {
			if textOf(t, ce[required]) == "" {
				t.Fatalf("CloudEvent %v has no %s", ce, required)
			}
		}
		if got := textOf(t, ce["type"]); got != typ && (typ != "" || got != "weft.event") {
			t.Fatalf("CloudEvent of type %q, stored as %q", got, typ)
		}
		structured := !isCloudEvent && cloudevent.MediaType(contentType) == cloudevent.TypeStructured
		if isCloudEvent {
			shown := membersOf(t, frame["cloudevent"])
			for name, value := range attributes {
				switch name {
				case "type", "specversion", "weftcursor", "weftevent", "weftsubject", "datacontenttype":
					continue
				}
				if got := textOf(t, ce[name]); got != asJSON(value) || textOf(t, shown[name]) != got {
					t.Fatalf("attribute %s is %q in a CloudEvent and %s in a frame, stored as %q", name, got, shown[name], value)
				}
			}
		}
		if !structured {
			checkData(t, ce, contentType, payload)
		}

		// What other formats say is the same.
		for _, x := range []struct {
			format Format
			want   map[string]json.RawMessage
		}{{SSEFrame, frame}, {SSECloudEvents, ce}} {
			events := parse(string(sent(x.format, m, id)))
			if len(events) != 1 || events[0].id != want || events[0].typ != "" {
				t.Fatalf("format %d makes %+v", x.format, events)
			}
			sameMembers(t, membersOf(t, []byte(events[0].data)), x.want)
		}
		sameMembers(t, membersOf(t, messageBody(sent(WebSocket, m, id))), frame)
		sameMembers(t, membersOf(t, messageBody(sent(WebSocketCloudEvents, m, id))), ce)
		if events := parse(string(sent(SSE, m, id))); len(events) != 1 || events[0].id != want || events[0].typ != typ {
			t.Fatalf("SSE makes %+v", events)
		}
		message := sent(WebSocketPayload, m, id)
		if !bytes.Equal(messageBody(message), payload) || (message[0] == opText) != utf8.Valid(payload) {
			t.Fatalf("message %q", message)
		}
		if element := sent(PollPayload, m, id); !json.Valid(element) || !utf8.Valid(element) || !samePayload(element, payload) && !sameBase64(element, payload) {
			t.Fatalf("element %q of the payload %q", element, payload)
		}
	})
}

func sameMembers(t *testing.T, got, want map[string]json.RawMessage) {
	t.Helper()
	for name := range want {
		if !bytes.Equal(got[name], want[name]) {
			t.Fatalf("%s is %s, want %s", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("members %v, want %v", got, want)
	}
}

func sameBase64(element, payload []byte) bool {
	var e struct {
		Data *[]byte `json:"data_base64"`
	}
	return json.Unmarshal(element, &e) == nil && e.Data != nil && bytes.Equal(*e.Data, payload)
}

// checkData holds the data of a CloudEvent to the rules of its format.
func checkData(t *testing.T, ce map[string]json.RawMessage, contentType string, payload []byte) {
	t.Helper()
	data, encoded := ce["data"], ce["data_base64"]
	switch {
	case len(payload) == 0:
		if data != nil || encoded != nil {
			t.Fatalf("an event without a payload has data: %v", ce)
		}
	case !utf8.Valid(payload):
		if raw, err := base64.StdEncoding.DecodeString(textOf(t, encoded)); err != nil || data != nil || !bytes.Equal(raw, payload) {
			t.Fatalf("data is %s and %s, stored as %q", data, encoded, payload)
		}
	case textOf(t, ce["datacontenttype"]) == "" || cloudevent.IsJSON(textOf(t, ce["datacontenttype"])) && json.Valid(payload):
		var a, b bytes.Buffer
		if json.Compact(&a, data) != nil || json.Compact(&b, payload) != nil || a.String() != b.String() {
			t.Fatalf("data is %s as %s, stored as %q", data, ce["datacontenttype"], payload)
		}
	default:
		if textOf(t, data) != string(payload) {
			t.Fatalf("data is %s as %s, stored as %q", data, ce["datacontenttype"], payload)
		}
	}
}

func TestAnEventThatWasNoCloudEventBecomesOne(t *testing.T) {
	m := &feed.Message{Subject: "topic.a", Data: []byte(`{"n":1}`), Seq: 7}
	want := `{"weftcursor":"` + m.ID() + `","weftevent":"` + m.ID() + `","weftsubject":"topic.a","type":"weft.event","source":"/weft","id":"` + m.ID() + `","specversion":"1.0","data":{"n":1}}`
	if got := string(sent(PollCloudEvents, m, "")); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestACloudEventIsWhatItWas(t *testing.T) {
	m := &feed.Message{Subject: "user.ann", Type: "com.example.a", Seq: 7}
	m.Hold(event.Headers("ce-user:ann\nce-type:com.example.a\nce-time:2026-01-02T03:04:05Z\nce-source:/s\nce-id:A%20234\nce-specversion:1.0\ncontent-type:text/xml\n"), []byte(`<a/>`))
	const attributes = `"source":"/s","id":"A 234","time":"2026-01-02T03:04:05Z","specversion":"1.0","datacontenttype":"text/xml","user":"ann"`
	id := m.ID()
	if got, want := string(sent(Poll, m, "C")), `{"id":"C","event":"`+id+`","subject":"user.ann","type":"com.example.a","cloudevent":{`+attributes+`},"data":"\u003ca/\u003e"}`; got != want {
		t.Errorf("frame %s, want %s", got, want)
	}
	if got, want := string(sent(PollCloudEvents, m, "C")), `{"weftcursor":"C","weftevent":"`+id+`","weftsubject":"user.ann","type":"com.example.a",`+attributes+`,"data":"\u003ca/\u003e"}`; got != want {
		t.Errorf("CloudEvent %s, want %s", got, want)
	}
}

func TestACloudEventThatWasStoredWholeIsOne(t *testing.T) {
	m := &feed.Message{Subject: "user.ann", Type: "a", Seq: 7}
	m.Hold(event.Headers("content-type:application/cloudevents+json; charset=utf-8\n"),
		[]byte("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\n\"type\":\"a\",\"weftcursor\":\"forged\",\"n\":5,\"data\":{\"x\":1}}"))
	want := `{"weftcursor":"C","weftevent":"` + m.ID() + `","weftsubject":"user.ann","data":{"x":1},"id":"1","n":5,"source":"/s","specversion":"1.0","type":"a"}`
	if got := string(sent(PollCloudEvents, m, "C")); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWeftsOwnFramesAreCloudEventsWithIDsOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	var k Keepalives
	for i, frame := range [][]byte{
		messageBody(WebSocketCloudEvents.Control("C", TypeOpen, []byte(`{"node":"n1"}`))),
		messageBody(WebSocketCloudEvents.Control("", TypeClose, []byte(`{"reason":"drain"}`))),
		messageBody(k.Frame(WebSocketCloudEvents, "C", false)),
		messageBody(k.Frame(WebSocketCloudEvents, "C", false)),
	} {
		ce := membersOf(t, frame)
		id := textOf(t, ce["id"])
		if seen[id] || id == "" || textOf(t, ce["source"]) != "/weft" || textOf(t, ce["specversion"]) != "1.0" || !strings.HasPrefix(textOf(t, ce["type"]), "weft.") {
			t.Errorf("frame %d is %s", i, frame)
		}
		if i < 2 && (ce["data"] == nil || textOf(t, ce["datacontenttype"]) != "application/json") {
			t.Errorf("frame %d has no data: %s", i, frame)
		}
		if (textOf(t, ce["weftcursor"]) == "C") != (i != 1) {
			t.Errorf("frame %d has the cursor %s", i, ce["weftcursor"])
		}
		seen[id] = true
	}
}
