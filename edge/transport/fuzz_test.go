package transport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"weft/edge/problem"
	"weft/edge/wire"
)

func FuzzQuery(f *testing.F) {
	for _, q := range []string{
		"subject=topic.hotel.42&type=order.*&last_event_id=x&format=frame&wait=25s", "wait=60", "wait=-1s", "wait=1e9h",
		"type=*.*", "type=a&type=b.*", "subject=%zz", "a;b", "last_event_id=1&last_event_id=2",
		"subject=presence.bob&subject=presence.topic.a.b&presence=x&device=Ann%27s%20phone", "device=%ff", "device=%00", "device=%E2%80%AE",
		"since=all&format=payload", "since=1h", "since=2026-01-02T03:04:05+01:00", "since=-1h", "since=9999-12-31T23:59:59Z&format=x", "format=cloudevents",
	} {
		f.Add(q, "")
	}
	f.Fuzz(func(t *testing.T, raw, lastID string) {
		q, err := ParseQuery(&http.Request{URL: &url.URL{RawQuery: raw}, Header: http.Header{"Last-Event-Id": {lastID}}}, Parameters().And("user"))
		if err != nil {
			if p := problem.Of(err); p.Code != problem.BadRequest {
				t.Errorf("%q fails with %v", raw, err)
			}
			return
		}
		if q.wait < 0 || q.wait > maxWait {
			t.Errorf("%q waits %v", raw, q.wait)
		}
		if d := q.Device; d != nil && (*d == "" || len(*d) > maxDevice || !utf8.ValidString(*d) || strings.ContainsAny(*d, "\x00\n\r\x7f\u202e\u2028")) {
			t.Errorf("%q names the device %q", raw, *d)
		}
		if q.past() && (q.LastID != "" || q.wait != maxWait) || q.shape >= wire.Shapes {
			t.Errorf("%q is read as %+v", raw, q)
		}
		if lastID != "" && q.LastID != lastID {
			t.Errorf("the header %q does not win: %q", lastID, q.LastID)
		}
	})
}

func FuzzCommand(f *testing.F) {
	for _, c := range []string{
		`{"subscribe":["topic.hotel.42"],"last_event_id":"x","ref":1}`, `{"unsubscribe":["a"]}`, `{"token":"a.b.c","ref":"r"}`,
		`{"publish":{"subject":"user.ann","type":"t","data":{"a":[1,2]}}}`, `{"publish":{"data_base64":"AA=="}}`, `{"ref":null}`, `{"ref":[]}`, `{}{}`,
		`{"subscribe":[{"subject":"topic.orders","type":["order.*"]},"topic.b",{"subject":"topic.c"},{"subject":"topic.d","type":[]}]}`,
		`{"set":["topic.a",{"subject":"topic.b","type":["x"]}],"last_event_id":"x","token":"a.b.c","ref":2}`, `{"set":[]}`, `{"set":null}`,
		`{"set":["a"],"subscribe":["b"]}`, `{"subscribe":[null,1,[],{"subject":1},{"subject":"a","types":["b"]},{"subject":"a"}{}]}`,
	} {
		f.Add([]byte(c))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		c, err := parseCommand(message)
		if err != nil {
			if p := problem.Of(err); p.Code != problem.BadRequest {
				t.Errorf("%q fails with %v", message, err)
			}
		} else if c.Publish == nil && c.Empty() {
			t.Errorf("%q asks for nothing", message)
		}
		if err == nil && c.Publish == nil {
			checkChange(t, &c.Change)
		}
		if len(c.Ref) > maxRef || len(c.Ref) > 0 && !json.Valid(c.Ref) {
			t.Errorf("%q has ref %q", message, c.Ref)
		}
		if c.Publish != nil {
			if data, err := c.Publish.payload(); err == nil && c.Publish.DataBase64 == nil && !bytes.Equal(data, c.Publish.Data) {
				t.Errorf("%q publishes %q", message, data)
			}
		}
	})
}

// checkChange holds a change that is taken to what it is to a session, and to other nodes.
func checkChange(t *testing.T, c *Change) {
	made := c.Session(nil)
	if made.Set != (c.Set != nil) || made.Set && len(made.Unsubscribe) > 0 || made.LastID != c.LastEventID {
		t.Errorf("%+v is %+v", c, made)
	}
	sent, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadChange(bytes.NewReader(sent))
	if err != nil {
		t.Fatalf("%s cannot be read: %v", sent, err)
	}
	if read.Modern() != c.Modern() || !reflect.DeepEqual(read.Session(nil).Subscribe, made.Subscribe) || read.Token != c.Token {
		t.Errorf("%s is read as %+v, was %+v", sent, read, c)
	}
	if !c.Modern() && (bytes.Contains(sent, []byte(`"set"`)) && !strings.Contains(c.Token+c.LastEventID+fmt.Sprint(c.Subscribe, c.Unsubscribe), "set")) {
		t.Errorf("%s is nothing that earlier versions read", sent)
	}
}
