package ingress

import (
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
