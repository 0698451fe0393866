package edge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/edge/transport"
	"weft/edge/wire"
	"weft/jetstream/event"
)

// shown is the next event in a format that is a JSON object, and the type that SSE names.
func (c *client) shown(format string) (frame map[string]json.RawMessage, typ string) {
	c.t.Helper()
	for {
		h := c.any()
		if c.kind == transport.SSE && (format != "payload" || h.typ == "") {
			typ, h.frame = h.typ, parseFrame([]byte(h.data)).frame
			h.typ = ""
			_ = json.Unmarshal(h.frame["type"], &h.typ)
		} else if c.kind == transport.SSE {
			typ, h.frame = h.typ, parseFrame([]byte(h.data)).frame
		}
		if !strings.HasPrefix(h.typ, "weft.") || h.typ == "weft.event" {
			return h.frame, typ
		}
	}
}

// An event is the same on every transport, whatever its format: payload, frame or CloudEvent.
func caseFormats(t *testing.T, s *stack, kind string) {
	token := s.token("ann", nil)
	formats := []string{"payload", "frame", "cloudevents"}
	clients := map[string]*client{}
	for _, format := range formats {
		clients[format] = s.connect(kind, visitor{token: token, query: params("format", format)})
		clients[format].any() // weft.open
	}
	ack, err := s.node.Store().Publish(t.Context(), event.Event{Subject: "user.ann", Type: "com.example.a", Data: []byte(`{"n":1}`), Header: map[string]string{
		"ce-specversion": "1.0", "ce-id": "A%20234", "ce-source": "/s", "ce-subject": "sub", "ce-ext": "x", "content-type": "application/json"}})
	s.must(err)
	plain := s.store("user.ann", "", []byte(`{"n":2}`))

	if f, typ := clients["payload"].shown("payload"); string(f["n"]) != "1" || kind == transport.SSE && typ != "com.example.a" {
		t.Errorf("payload %s of type %q", f, typ)
	}
	f, typ := clients["frame"].shown("frame")
	want := map[string]string{"event": ack.Cursor, "subject": "user.ann", "type": "com.example.a"}
	if ce := parseFrame(f["cloudevent"]).frame; !holds(f, want) || typ != "" || string(f["data"]) != `{"n":1}` ||
		!holds(ce, map[string]string{"id": "A 234", "source": "/s", "subject": "sub", "ext": "x", "datacontenttype": "application/json"}) {
		t.Errorf("frame %s of type %q", f, typ)
	}
	f, typ = clients["cloudevents"].shown("cloudevents")
	if want := map[string]string{"specversion": "1.0", "id": "A 234", "source": "/s", "type": "com.example.a", "subject": "sub", "ext": "x",
		"weftevent": ack.Cursor, "weftsubject": "user.ann"}; !holds(f, want) || typ != "" || string(f["data"]) != `{"n":1}` || f["weftcursor"] == nil {
		t.Errorf("CloudEvent %s of type %q", f, typ)
	}

	if f, _ := clients["payload"].shown("payload"); string(f["n"]) != "2" {
		t.Errorf("payload %s", f)
	}
	if f, _ := clients["frame"].shown("frame"); !holds(f, map[string]string{"event": plain, "id": plain}) || f["cloudevent"] != nil {
		t.Errorf("frame %s of what is no CloudEvent", f)
	}
	f, _ = clients["cloudevents"].shown("cloudevents")
	if want := map[string]string{"specversion": "1.0", "id": plain, "source": "/weft", "type": "weft.event", "weftevent": plain}; !holds(f, want) || string(f["data"]) != `{"n":2}` {
		t.Errorf("CloudEvent %s of what is none", f)
	}
	if h := s.connect(kind, visitor{token: token, query: params("format", "xml")}).ended(); h.status != http.StatusBadRequest || h.problem != "bad_request" ||
		slices.ContainsFunc(formats, func(f string) bool { return !strings.Contains(h.detail, f) }) {
		t.Errorf("an unknown format is answered %+v", h)
	}
}

func holds(f map[string]json.RawMessage, want map[string]string) bool {
	for name, value := range want {
		var s string
		if json.Unmarshal(f[name], &s) != nil || s != value {
			return false
		}
	}
	return true
}

// Who asks for the past gets what is stored and not older, and then what comes.
func casePast(t *testing.T, s *stack, kind string) {
	token := s.token("ann", nil)
	var ids []string
	for n := range 5 {
		ids = append(ids, s.store("user.ann", "", fmt.Appendf(nil, "%d", n)))
		s.store("user.bob", "", []byte(`"not ann's"`))
		s.store("topic.hotel.42", "", fmt.Appendf(nil, "%d", 10+n))
	}
	b, err := s.node.Store().Read(t.Context(), "user.ann", 1, 10, 1<<20)
	s.must(err)
	third := b.Messages[2].Time().Format(time.RFC3339Nano)
	for _, c := range []struct {
		query  []string
		resume string
		want   []string
	}{
		{[]string{"since", "all"}, "since", []string{"0", "1", "2", "3", "4"}},
		{[]string{"since", "1h"}, "since", []string{"0", "1", "2", "3", "4"}},
		{[]string{"since", third}, "since", []string{"2", "3", "4"}},
		{[]string{"since", time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}, "since", nil},
		{[]string{"since", "all", "last_event_id", ids[3]}, "exact", []string{"4"}},
	} {
		client := s.connect(kind, visitor{token: token, query: params(c.query...)})
		if kind != transport.Poll {
			if open := client.opened(); !strings.Contains(open.data, `"resume":"`+c.resume+`"`) {
				t.Errorf("%v: weft.open says %s", c.query, open.data)
			}
		} else if c.resume != "exact" {
			client.opened()
		}
		for _, want := range c.want {
			if h := client.next(); h.data != want || h.id == "" {
				t.Fatalf("%v: heard %+v, want %s", c.query, h, want)
			}
		}
		client.close()
	}
	several := s.connect(kind, visitor{token: token, query: params("since", third, "subject", "topic.hotel.42")})
	several.opened()
	heard := map[string]bool{}
	for range 6 {
		heard[several.next().data] = true
	}
	s.store("topic.hotel.42", "", []byte(`15`))
	if h := several.next(); h.data != "15" || fmt.Sprint(heard) != "map[12:true 13:true 14:true 2:true 3:true 4:true]" {
		t.Errorf("of two subjects: %v, then %+v", heard, h)
	}
	for _, bad := range []string{"yesterday", "-1h", "2026-01-02", "0001-01-01T00:00:00Z", "1"} {
		if h := s.connect(kind, visitor{token: token, query: params("since", bad)}).ended(); h.status != http.StatusBadRequest || h.problem != "bad_request" {
			t.Errorf("since=%s is answered %+v", bad, h)
		}
	}
}

// A poll that asks for the past is answered at once, also when nothing is stored, and what
// it did not take comes with the next one.
func TestAPollForThePastIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	for _, p := range plainPaths {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newStackOn(t, p, nil)
			ann := s.token("ann", nil)
			nothing, took := s.poll(ann, "since", "all", "wait", "60s")
			if len(nothing.Events) > 0 || nothing.LastID == "" || took > 30*time.Second {
				t.Errorf("after %v: %+v", took, nothing)
			}
			total := s.node.Store().Limits().MaxPerSubject
			for n := range total {
				s.store("user.ann", "", fmt.Appendf(nil, "%d", n))
				s.store("topic.hotel.1", "", fmt.Appendf(nil, "%d", n))
				s.store("topic.hotel.2", "", fmt.Appendf(nil, "%d", n))
			}
			seen, last := map[string]int{}, ""
			for polls := 0; len(seen) < 3*total; polls++ {
				got, _ := s.poll(ann, "since", "all", "subject", "topic.hotel.1", "subject", "topic.hotel.2", "last_event_id", last, "wait", "5s")
				if polls == 0 && len(got.Events) != transport.MaxPollEvents || polls > 20 {
					t.Fatalf("answer %d has %d events; %d of %d were seen", polls, len(got.Events), len(seen), 3*total)
				}
				for _, e := range got.Events {
					f := parseFrame(e)
					seen[f.subject+" "+f.data]++
				}
				last = got.LastID
			}
			for what, times := range seen {
				if times > 1 {
					t.Errorf("%s came %d times", what, times)
				}
			}
		})
	}
}

// Over SSE the first block has all that a client needs to know: one that hands on a block
// without data as a message gets none.
func TestNoBlockOfSSEIsWithoutData(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	read := func(query ...string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url(params(query...)), nil)
		s.must(err)
		req.Header = http.Header{"Accept": {"text/event-stream"}, "Authorization": {"Bearer " + s.token("ann", nil)}}
		resp, err := s.client.Do(req)
		s.must(err)
		defer func() { _ = resp.Body.Close() }()
		got := make([]byte, 4<<10)
		n := 0
		for !strings.Contains(string(got[:n]), "weft.keepalive") && !strings.Contains(string(got[:n]), "weft.close") {
			more, err := resp.Body.Read(got[n:])
			if n += more; err != nil && !strings.Contains(string(got[:n]), "weft.close") {
				t.Fatalf("%v after %q", err, got[:n])
			}
		}
		return string(got[:n])
	}
	check := func(what, stream string) {
		t.Helper()
		for block := range strings.SplitSeq(strings.TrimSuffix(stream, "\n\n"), "\n\n") {
			if !strings.Contains(block, "\ndata: {") && !strings.HasPrefix(block, "data: {") {
				t.Errorf("%s: the block %q has no data", what, block)
			}
		}
		if !strings.HasPrefix(stream, "retry: ") {
			t.Errorf("%s begins %.40q", what, stream)
		}
	}
	for _, format := range []string{"payload", "frame", "cloudevents"} {
		check(format, read("format", format))
	}
	s.notReady("the stream has gone")
	for _, format := range []string{"payload", "frame", "cloudevents"} {
		stream := read("format", format)
		if check("refused, "+format, stream); strings.Count(stream, "\n\n") != 1 || strings.Contains(stream, "event: "+wire.TypeClose) != (format == "payload") {
			t.Errorf("refused, %s: %q", format, stream)
		}
	}
}
