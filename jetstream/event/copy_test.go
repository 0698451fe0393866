package event

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"
)

const copyHead = "NATS/1.0\r\n"

// stamped is what the stream adds to a copy of user.bob.
func stamped(seq, previous uint64) string {
	return fmt.Sprintf("Nats-Stream: EVENTS\r\nNats-Subject: user.bob\r\nNats-Sequence: %d\r\n"+
		"Nats-Time-Stamp: 2026-01-02T03:04:05.6Z\r\nNats-Last-Sequence: %d\r\n\r\n", seq, previous)
}

func readCopy(subject, header, data string) (c Copy) {
	c.Parse([]byte(subject), []byte(header), []byte(data))
	return c
}

func TestOnlyTheStreamsOwnCopiesAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		subject, header string
		forged, dropped bool
		kind            string
	}{
		"plain":                     {"out.user.bob", copyHead + stamped(7, 3), false, false, ""},
		"with a type":               {"out.user.bob", copyHead + "ce-type: a\r\n" + stamped(7, 3), false, false, "a"},
		"with a forged sequence":    {"out.user.bob", copyHead + "Nats-Sequence: 99\r\nNats-Stream: X\r\n" + stamped(7, 3), false, false, ""},
		"with a forbidden type":     {"out.user.bob", copyHead + "ce-type: weft.open\r\n" + stamped(7, 3), false, true, ""},
		"with an unreadable line":   {"out.user.bob", copyHead + "no colon\r\n" + stamped(7, 3), false, true, ""},
		"of another stream":         {"out.user.bob", copyHead + stamped(7, 3) + "", false, false, ""},
		"on another subject":        {"out.user.ann", copyHead + stamped(7, 3), true, false, ""},
		"not on a copy's subject":   {"user.bob", copyHead + stamped(7, 3), true, false, ""},
		"later than itself":         {"out.user.bob", copyHead + stamped(7, 7), true, false, ""},
		"without a sequence":        {"out.user.bob", copyHead + stamped(0, 0), true, false, ""},
		"without a header":          {"out.user.bob", "", true, false, ""},
		"without what was before":   {"out.user.bob", copyHead + "Nats-Stream: EVENTS\r\nNats-Subject: user.bob\r\nNats-Sequence: 7\r\nNats-Time-Stamp: x\r\n\r\n", true, false, ""},
		"without a time":            {"out.user.bob", copyHead + "Nats-Stream: EVENTS\r\nNats-Subject: user.bob\r\nNats-Sequence: 7\r\nNats-Last-Sequence: 0\r\n\r\n", true, false, ""},
		"of a stream named at last": {"out.user.bob", copyHead + "Nats-Subject: user.bob\r\nNats-Sequence: 7\r\nNats-Time-Stamp: x\r\nNats-Last-Sequence: 0\r\nNats-Stream: OTHER\r\n\r\n", true, false, ""},
	} {
		got := readCopy(c.subject, c.header, "data")
		if (got.Err != nil) != c.forged || got.Err == nil && ((got.TypeErr != nil) != c.dropped || got.Type != c.kind && !c.dropped || got.Seq != 7 || got.Previous != 3) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// FuzzCopy reads a copy in place and as the client library does, and compares.
func FuzzCopy(f *testing.F) {
	for _, header := range []string{copyHead + stamped(7, 3), copyHead + "ce-type: a\r\nNats-Sequence: 99\r\nNats-Stream: X\r\n" + stamped(7, 3),
		copyHead + "Content-Type: application/cloudevents+json\r\n" + stamped(7, 0), copyHead + "\r\n", "", copyHead + ": x\r\n" + stamped(1, 0),
		copyHead + "Nats-Sequence: +7\r\n" + stamped(2, 1)[:60], copyHead + "no colon\r\n\r\n",
		copyHead + "traceparent: 00-1\r\nce-id:\t1\r\nCe-Id: 2\rx\r\nNATS-x: y\r\nweft-source: kafka\r\n" + stamped(7, 3)} {
		f.Add("out.user.bob", header, `{"type":"t"}`)
	}
	f.Fuzz(func(t *testing.T, subject, header, data string) {
		got := readCopy(subject, header, data)
		if got.Err != nil {
			return
		}
		h, err := nats.DecodeHeadersMsg([]byte(header))
		if err != nil {
			if got.TypeErr == nil {
				t.Fatalf("%q is read, which the client library does not", header)
			}
			return
		}
		if LastValue(h, "Nats-Stream") != StreamName || "out."+LastValue(h, "Nats-Subject") != subject || got.Seq == 0 || got.Previous >= got.Seq {
			t.Fatalf("%q on %q was taken for %+v", header, subject, got)
		}
		for name, n := range map[string]uint64{"Nats-Sequence": got.Seq, "Nats-Last-Sequence": got.Previous} {
			if want, err := strconv.ParseUint(LastValue(h, name), 10, 64); err != nil || n != want {
				t.Fatalf("%q has %s %d", header, name, n)
			}
		}
		s := Stored{Subject: "user.bob", Seq: got.Seq, Header: h, Data: []byte(data)}
		if errors.Is(got.TypeErr, ErrUnreadable) && (h["Status"] != nil || h["Description"] != nil) {
			return
		}
		if kind, err := TypeOf(&s); (err != nil) != (got.TypeErr != nil) || err == nil && kind != got.Type || s.Stamp() != got.Stamp {
			t.Fatalf("%q is of type %q (%v), read as %q (%v)", header, got.Type, got.TypeErr, kind, err)
		}
		live := got.AppendHeaders(nil)
		if len(live) != got.HeaderBytes() {
			t.Fatalf("%q has %d bytes of headers, said to be %d", header, len(live), got.HeaderBytes())
		}
		if l, s := byName(live), byName(s.Headers()); got.TypeErr == nil && !maps.EqualFunc(l, s, slices.Equal) {
			t.Fatalf("%q has headers %q, read as %q", header, l, s)
		}
	})
}

func byName(h Headers) map[string][]string {
	m := map[string][]string{}
	for name, value := range h.All() {
		m[string(name)] = append(m[string(name)], string(value))
	}
	return m
}
