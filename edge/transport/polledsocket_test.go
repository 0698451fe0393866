package transport

import (
	"testing"

	"weft/edge/frames"
	"weft/edge/session"
)

func TestAMessageHasItsTimeFromItsFirstByte(t *testing.T) {
	p := &polledSocket{}
	p.dialogue.begin(nil)
	p.s = session.New(session.Config{Outbox: session.NewQueue(&session.Spelling{}, nil)})
	first := []byte{frames.Text, 0x81, 0, 0, 0, 0, '{'}
	second := []byte{frames.Final | frames.Continuation, 0x81, 0, 0, 0, 0, '}'}
	pong := []byte{frames.Final | frames.Pong, 0x80, 0, 0, 0, 0}
	for _, c := range []struct {
		what  string
		sent  []byte
		heard bool
	}{
		{"the beginning of a message", first[:3], true},
		{"more of its frame", first[3:5], false},
		{"the rest of its frame", first[5:], false},
		{"a pong in between", pong, false},
		{"the beginning of its second frame", second[:3], false},
	} {
		p.heard.Store(1)
		p.Receive(c.sent)
		if heard := p.heard.Load() != 1; heard != c.heard {
			t.Errorf("%s begins the time anew: %v", c.what, heard)
		}
	}
}
