package feed

import (
	"testing"

	"weft/jetstream/event"
)

func TestHeadersCostNoAllocationOfTheirOwn(t *testing.T) {
	const stamps = "Nats-Stream: EVENTS\r\nNats-Subject: user.ann\r\nNats-Sequence: 7\r\nNats-Last-Sequence: 3\r\nNats-Time-Stamp: 2026-01-02T03:04:05Z\r\n\r\n"
	for what, header := range map[string]string{
		"without": "NATS/1.0\r\nNats-Msg-Id: m\r\n" + stamps,
		"with":    "NATS/1.0\r\ntraceparent: 00-1\r\nce-id: 1\r\n" + stamps,
	} {
		var c event.Copy
		subject, raw, data := []byte("out.user.ann"), []byte(header), []byte(`{"n":1}`)
		var m *Message
		if n := testing.AllocsPerRun(100, func() {
			c.Parse(subject, raw, data)
			m = messageOf(&c, "user.ann", event.StreamID{})
		}); n > 2 { // the message and its payload
			t.Errorf("%s headers a message takes %v allocations", what, n)
		}
		if got := m.Headers().Value("traceparent"); string(m.Data) != `{"n":1}` || (got == "00-1") != (what == "with") || (len(m.Headers()) == 0) != (what == "without") {
			t.Errorf("%s headers a message has %q and %q", what, m.Data, m.Headers())
		}
	}
}
