package event

import (
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"
)

// FuzzStored reads answers of the stream whose headers a publisher has written, too:
// only the last ones count.
func FuzzStored(f *testing.F) {
	f.Add("NATS/1.0\r\nNats-Subject: user.bob\r\nNats-Sequence: 7\r\nNats-Time-Stamp: 2026-01-02T03:04:05.6Z\r\n\r\n", uint64(7))
	f.Add("NATS/1.0\r\nNats-Sequence: 9\r\nNats-Sequence: +7\r\nNats-Subject: a\r\nNats-Last-Sequence: -1\r\n\r\n", uint64(1))
	f.Add("NATS/1.0 404 No Messages\r\n\r\n", uint64(0))
	f.Fuzz(func(t *testing.T, header string, seq uint64) {
		h, err := nats.DecodeHeadersMsg([]byte(header))
		if err != nil {
			return
		}
		for range 2 {
			s, err := ParseStored(&nats.Msg{Header: h})
			if err == nil && (s.Seq == 0 || s.Subject == "" || strconv.FormatUint(s.Seq, 10) != trimmed(LastValue(h, "Nats-Sequence"))) {
				t.Fatalf("%+v", s)
			}
			h["Nats-Sequence"] = append(h["Nats-Sequence"], strconv.FormatUint(seq, 10)) // what the stream adds
			h["Nats-Subject"] = append(h["Nats-Subject"], "user.bob")
			h["Nats-Last-Sequence"] = append(h["Nats-Last-Sequence"], "3")
		}
		if s, err := ParseStored(&nats.Msg{Header: h}); (err == nil) != (seq > 0) || err == nil && (s.Seq != seq || s.Subject != "user.bob" || s.Previous != 3) {
			t.Fatalf("%+v, %v", s, err)
		}
	})
}

// trimmed is a number without zeros before it.
func trimmed(s string) string {
	for len(s) > 1 && s[0] == '0' {
		s = s[1:]
	}
	return s
}
