package edge

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"

	"weft/edge/session"
)

// clientFrame spells a frame with a mask of zeros. first holds the opcode and
// the bits beside it.
func clientFrame(first byte, payload []byte) []byte {
	head := []byte{first, 0x80 | 127}
	head = binary.BigEndian.AppendUint64(head, uint64(len(payload)))
	return append(append(head, 0, 0, 0, 0), payload...)
}

func TestAMessageIsPutTogetherHoweverItIsCut(t *testing.T) {
	var all []byte
	for _, part := range [][]byte{
		clientFrame(opText, []byte("one, ")),
		{final | opPing, 0x80 | 1, 0, 0, 0, 0, '1'},
		clientFrame(opContinuation, bytes.Repeat([]byte("x"), 300)),
		{final | opPong, 0x80 | 1, 0, 0, 0, 0, '2'},
		clientFrame(final|opContinuation, []byte(" two")),
		clientFrame(final|opText, []byte("three")),
	} {
		all = append(all, part...)
	}
	want := []string{"1", "2", "one, " + string(bytes.Repeat([]byte("x"), 300)) + " two", "three"}
	for size := 1; size <= len(all); size++ {
		b := &inbox{}
		var got []string
		for from := 0; from < len(all); from += size {
			b.add(all[from:min(from+size, len(all))])
			for {
				d, ok, err := b.next()
				if err != nil {
					t.Fatalf("pieces of %d bytes: %v", size, err)
				}
				if !ok {
					break
				}
				got = append(got, string(d.payload))
			}
		}
		if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || got[3] != want[3] {
			t.Fatalf("pieces of %d bytes: %q, want %q", size, got, want)
		}
		if b.got != nil || b.message != nil {
			t.Fatalf("pieces of %d bytes: an empty inbox holds %d and %d bytes", size, cap(b.got), cap(b.message))
		}
	}
}

// A worker serves many connections: none may have it copy a long unfinished
// message for each of the control frames in between.
func TestPingsWithinALongMessageAreCheap(t *testing.T) {
	b := &inbox{}
	b.add(clientFrame(opText, make([]byte, 1<<20)))
	if _, ok, err := b.next(); ok || err != nil {
		t.Fatal(ok, err)
	}
	ping := []byte{final | opPing, 0x80, 0, 0, 0, 0}
	pings := bytes.Repeat(ping, 16<<10/len(ping))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.add(pings)
	n := 0
	for {
		_, ok, err := b.next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		n++
	}
	runtime.ReadMemStats(&after)
	if n != len(pings)/len(ping) {
		t.Errorf("%d pings, want %d", n, len(pings)/len(ping))
	}
	if moved := after.TotalAlloc - before.TotalAlloc; moved > 1<<20 {
		t.Errorf("%d bytes of pings cost %d bytes", len(pings), moved)
	}
}

// The length of a frame has 63 bits, but a client may send 64 (RFC 6455, section
// 5.2): together with what came before, it must not seem small.
func TestALengthBeyondAllEndsTheConnectionAtOnce(t *testing.T) {
	for _, length := range []uint64{1 << 63, 1<<64 - 1, 1<<64 - 5, 1<<64 - 20, 1<<63 - 1, maxMessage} {
		b := &inbox{}
		b.add(clientFrame(opText, make([]byte, 100)))
		head := binary.BigEndian.AppendUint64([]byte{opContinuation, 0x80 | 127}, length)
		b.add(append(head, 0, 0, 0, 0))
		if _, _, err := b.next(); err == nil {
			t.Errorf("a frame of %d bytes is waited for", length)
		}
	}
}

func TestAMessageHasItsTimeFromItsFirstByte(t *testing.T) {
	p := &parkedSocket{}
	p.s = session.New(session.Config{Outbox: session.NewQueue(&session.Spelling{}, nil)})
	first, second := clientFrame(opText, []byte("{")), clientFrame(opContinuation, []byte("}"))
	pong := []byte{final | opPong, 0x80, 0, 0, 0, 0}
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
