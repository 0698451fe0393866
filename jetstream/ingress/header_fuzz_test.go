package ingress

import (
	"strings"
	"testing"

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
		for name := range e.Header {
			if strings.HasPrefix(strings.ToLower(name), "nats-") {
				t.Fatalf("the header %q is taken", name)
			}
		}
	})
}
