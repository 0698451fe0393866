package feed

import (
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"

	"weft/jetstream"
)

// FuzzACopySaysWhatTheStreamSays: bytes that are taken for a copy say all that a copy
// of the stream says, in the last value of each header.
func FuzzACopySaysWhatTheStreamSays(f *testing.F) {
	const head = "NATS/1.0\r\n"
	real := "Nats-Stream: EVENTS\r\nNats-Subject: user.bob\r\nNats-Sequence: 7\r\nNats-Time-Stamp: 2026-01-02T03:04:05.6Z\r\nNats-Last-Sequence: 3\r\n\r\n"
	for _, s := range []string{
		head + real,
		head + "ce-type: a\r\nNats-Sequence: 99\r\nNats-Stream: X\r\n" + real,
		head + "Nats-Stream: EVENTS\r\nNats-Stream: OTHERS\r\n" + real,
		head + "Nats-Stream: EVENTS\r\nNats-Subject: user.bob\r\nNats-Sequence: 7\r\nNats-Last-Sequence: 18446744073709551615\r\n\r\n",
		head + "Nats-Sequence: +7\r\n" + real[:60], head + "\r\n", "", head + "no colon\r\n\r\n",
	} {
		f.Add("out.user.bob", []byte(s), []byte("data"))
	}
	f.Add("out.", []byte(head+"Nats-Stream: EVENTS\r\nNats-Subject: \r\nNats-Sequence: 1\r\n\r\n"), []byte{})
	f.Fuzz(func(t *testing.T, subject string, header, data []byte) {
		m := &nats.Msg{Subject: subject, Data: data}
		if h, err := nats.DecodeHeadersMsg(header); err == nil {
			m.Header = h
		}
		s, err := jetstream.ParseCopy(m)
		if err != nil {
			return
		}
		lastOf := func(key string) string { return m.Header[key][len(m.Header[key])-1] }
		if lastOf("Nats-Stream") != "EVENTS" || "out."+lastOf("Nats-Subject") != subject || s.Seq == 0 || s.Previous >= s.Seq {
			t.Fatalf("%q on %q was taken for %+v", header, subject, s)
		}
		if n, err := strconv.ParseUint(lastOf("Nats-Sequence"), 10, 64); err != nil || n != s.Seq {
			t.Fatalf("%q has sequence %d", header, s.Seq)
		}
		msg := newMessage(&s, jetstream.StreamID{})
		if jetstream.CheckType(msg.Type) != nil || msg.Seq != s.Seq || msg.previous != s.Previous || msg.Subject != s.Subject {
			t.Fatalf("%q is the message %q of type %q", header, msg.Subject, msg.Type)
		}
	})
}
