package ingress

import (
	"maps"
	"strings"
	"testing"

	"weft/bridge/cloudevent"
	"weft/jetstream/event"
	"weft/jetstream/server"
)

// FuzzHeader reads what a NATS publisher sends: what is taken is an event that the
// store takes, without a header by which a publisher would speak as the stream.
func FuzzHeader(f *testing.F) {
	for _, header := range []string{"", "NATS/1.0\r\nNats-Msg-Id: a\r\nce-type: t\r\n\r\n", "NATS/1.0\r\nNats-Sequence: 1\r\nNats-Rollup: all\r\n\r\n",
		"NATS/1.0\r\nnats-ttl: 1s\r\n\r\n", "NATS/1.0 503\r\n\r\n", "NATS/1.0\r\nNats-Expected-Stream: EVENTS\r\nce-type: a\r\nce-type: b\r\n\r\n"} {
		f.Add("user.ann", []byte(header), []byte("data"))
	}
	f.Add("user.ann", []byte("NATS/1.0\r\ncontent-type: application/cloudevents+json\r\nce-id: x\r\n\r\n"),
		[]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","ext":"\r\n","data":{"a":1}}`))
	r := &reader{from: server.Publisher{Name: "p", User: "p"}}
	f.Fuzz(func(t *testing.T, subject string, header, data []byte) {
		if len(header) == 0 {
			header = nil
		}
		e := event.Event{Subject: subject, Data: data}
		if r.check(&e, header) != nil {
			return
		}
		if err := e.Check(); err != nil {
			t.Fatal(err)
		}
		for name, value := range e.Header {
			if strings.ContainsAny(name+value, "\r\n") {
				t.Fatalf("the header %q: %q ends early", name, value)
			}
			if cloudevent.MediaType(value) == cloudevent.TypeStructured && strings.EqualFold(name, event.HeaderContentType) && e.Header["ce-specversion"] != "1.0" {
				t.Fatal("a structured CloudEvent is not taken apart")
			}
			if strings.HasPrefix(strings.ToLower(name), "nats-") {
				t.Fatalf("the header %q is taken", name)
			}
		}
	})
}

// The headers of CloudEvents may come in any case, and in several: each is stored once, under
// one name, so that the event is the same for who sees it live and who reads it later.
func TestAHeaderOfCloudEventsIsStoredOnceWhateverItsCase(t *testing.T) {
	t.Parallel()
	for range 20 { // the library keeps headers in no order
		e := &event.Event{Subject: "user.ann", Data: []byte("{}")}
		header := "NATS/1.0\r\nCE-Type: weft.open\r\nce-type: a.b\r\nCE-ID: 1\r\nCe-Specversion: 1.0\r\nContent-Type: text/plain\r\n" +
			"content-type: application/json\r\nX-Own: 1\r\nx-own: 2\r\n\r\n"
		if err := new(reader).check(e, []byte(header)); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"ce-type": "a.b", "ce-id": "1", "ce-specversion": "1.0", "content-type": "application/json", "X-Own": "1", "x-own": "2"}
		if !maps.Equal(e.Header, want) {
			t.Fatalf("headers %v", e.Header)
		}
	}
}
