package test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"weft/test/browser"
	"weft/test/client"
	"weft/test/stage"
)

// payloads are what publishers send. What each looks like on the wire follows from
// its bytes alone, see plain and checkFrame.
func payloads() []struct {
	name string
	data []byte
} {
	all256 := make([]byte, 256)
	for i := range all256 {
		all256[i] = byte(i)
	}
	return []struct {
		name string
		data []byte
	}{
		{"text", []byte("hello")},
		{"newlines", []byte("\none\ntwo\n\nlast\n")},
		{"leading space and colon", []byte(" : x")},
		{"fields of an event stream", []byte("x\n\nid: 7\nevent: weft.close\ndata: {}\n\n")},
		{"carriage returns", []byte("one\r\ntwo\rthree")},
		{"byte order mark", []byte("\ufefftext")},
		{"line separators and NUL", []byte("a\u2028b\u2029c\u0085d\x00e")},
		{"binary", all256},
		{"empty", []byte{}},
		{"1 MiB of text", bytes.Repeat([]byte("0123456789abcde\n"), 1<<16)},
		{"1 MiB of binary", bytes.Repeat([]byte{0xff, 0x00, 0x0d, 0x80}, 1<<18)},
		{"JSON", []byte(`{"b": 1,  "a":[true,null,"é"], "n":12345678901234567890.10}`)},
		{"JSON over lines", []byte("{\n  \"a\": 1\n}\n")},
		{"JSON string", []byte(`"quoted"`)},
		{"JSON that is not UTF-8", []byte("{\"a\":\"\xff\xfe\"}")},
		{"JSON with a lone surrogate", []byte(`{"a":"\ud800"}`)},
		{"two JSON values", []byte(`{"a":1} {"b":2}`)},
	}
}

// plain says that SSE carries a payload byte for byte.
func plain(data []byte) bool { return utf8.Valid(data) && !bytes.ContainsRune(data, '\r') }

// checkFrame checks the JSON form of an event: JSON is embedded, other text is a
// string, the rest is base64.
func checkFrame(t *testing.T, e client.Event, want []byte) {
	t.Helper()
	switch {
	case !utf8.Valid(want):
		if !e.Binary || !bytes.Equal(e.Data, want) {
			t.Errorf("data %.80q, base64 %t; want %.80q as base64", e.Data, e.Binary, want)
		}
	case json.Valid(want):
		var a, b bytes.Buffer
		if json.Compact(&a, e.Data) != nil || json.Compact(&b, want) != nil || a.String() != b.String() || e.Binary {
			t.Errorf("data %.80q, base64 %t; want the JSON %.80q", e.Data, e.Binary, want)
		}
	default:
		var s string
		if json.Unmarshal(e.Data, &s) != nil || s != string(want) || e.Binary {
			t.Errorf("data %.80q, base64 %t; want the string %.80q", e.Data, e.Binary, want)
		}
	}
}

// Every payload arrives as it was published, live and from the store, whatever
// way it came in and goes out.
func TestPayloadsArriveAsPublished(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	nc := node.NATS()
	ways := map[string]func(user string, data []byte){
		"NATS": func(user string, data []byte) { publishNATS(t, nc, "user."+user, nil, data) },
		"HTTP": func(user string, data []byte) { publish(t, node, user, "", data) },
	}
	failed := 0
	for way, send := range ways {
		for i, p := range payloads() {
			if failed == 3 {
				t.Fatal("three failed; the rest is left out, for a failure takes its time")
			}
			ok := t.Run(way+"/"+p.name, func(t *testing.T) {
				user := fmt.Sprintf("u%d-%s", i, way)
				token := stage.Token(t, user, nil)
				target := client.Target{URL: node.URL(), Token: token}
				framed := target
				framed.Query = url.Values{"format": {"frame"}}

				live := map[string]*client.Recorder{"sse frame": record(t, client.SSE, framed)}
				for _, kind := range client.Transports {
					live[string(kind)] = record(t, kind, target)
				}
				start := live[string(client.WebSocket)].LastID()
				send(user, p.data)

				check := func(how string, r *client.Recorder) {
					t.Helper()
					e := awaitEvents(t, r, 1)[0]
					if strings.HasPrefix(how, string(client.SSE)) {
						if how == string(client.SSE) && plain(p.data) {
							if !bytes.Equal(e.Data, p.data) {
								t.Errorf("%s: data %.80q, want %.80q", how, e.Data, p.data)
							}
							return
						}
						id := e.ID
						var err error
						if e, err = client.ParseFrame(e.Data); err != nil {
							t.Fatalf("%s: %v", how, err)
						}
						if e.ID != id {
							t.Errorf("%s: the frame's id is %q, the event's %q", how, e.ID, id)
						}
					}
					if e.Subject != "user."+user {
						t.Errorf("%s: subject %q", how, e.Subject)
					}
					checkFrame(t, e, p.data)
				}
				for how, r := range live {
					check(how, r)
				}
				for _, kind := range client.Transports {
					resumed := target
					resumed.LastID = start
					r := record(t, kind, resumed)
					check(string(kind), r)
					if n := r.Count(client.TypeReset); n != 0 {
						t.Errorf("%s: %d resets at a resume that misses nothing", kind, n)
					}
				}
			})
			if !ok {
				failed++
			}
		}
	}
}

// What JavaScript holds in a real browser is what was published.
func TestPayloadsArriveInABrowser(t *testing.T) {
	b := chromium(t)
	node := pageNode(t, b, nil)
	tab := b.NewTab(t)
	token := stage.Token(t, "ann", nil)
	conns := map[client.Transport]int{}
	for _, kind := range client.Transports {
		conns[kind] = tab.Open(kind, node.URL(), token)
		tab.Await(conns[kind], "an open connection", isOpen)
	}
	n := 0
	for _, p := range payloads() {
		if !utf8.Valid(p.data) {
			// One of this kind is enough: the frame is the same.
			if p.name != "binary" && p.name != "JSON that is not UTF-8" {
				continue
			}
		}
		publish(t, node, "ann", "", p.data)
		n++
		for _, kind := range client.Transports {
			all := browser.Payloads(tab.Await(conns[kind], p.name+" over "+string(kind), has(n)))
			got := all[n-1].Data
			if kind == client.SSE {
				if plain(p.data) {
					if got != string(p.data) {
						t.Errorf("%s over %s: %.80q", p.name, kind, got)
					}
					continue
				}
				e, err := client.ParseFrame([]byte(got))
				if err != nil {
					t.Fatalf("%s over %s: %v", p.name, kind, err)
				}
				checkFrame(t, e, p.data)
				continue
			}
			switch want := string(p.data); {
			case !utf8.Valid(p.data):
				if got != base64.StdEncoding.EncodeToString(p.data) {
					t.Errorf("%s over %s: %.80q", p.name, kind, got)
				}
			case json.Valid(p.data):
				// JavaScript parsed it; that it did is the point.
			case got != want:
				t.Errorf("%s over %s: %.80q", p.name, kind, got)
			}
		}
	}
	for _, kind := range client.Transports {
		if got := len(browser.Payloads(tab.Entries(conns[kind]))); got != n {
			t.Errorf("%d events over %s, want %d", got, kind, n)
		}
	}
}

// More than the greatest payload is refused at the door and disturbs nobody.
func TestPayloadBeyondTheLimitIsRefused(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	ann := record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil)})
	header := map[string]string{"Content-Type": "application/octet-stream"}
	p := post(t, node.AdminURL(), url.Values{"user": {"ann"}}, header, make([]byte, 1<<20+1))
	if p.Status != 413 || p.Problem.Code != "too_large" {
		t.Errorf("1 MiB and a byte: %d %q, want 413 too_large", p.Status, p.Problem.Code)
	}
	publish(t, node, "ann", "", []byte("after"))
	if e := awaitEvents(t, ann, 1)[0]; string(e.Data) != "after" {
		t.Errorf("got %.80q", e.Data)
	}
}
