package frames

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"
)

// limit is that of the messages of these tests.
const limit = 1<<20 + 400<<10

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
		clientFrame(Text, []byte("one, ")),
		{Final | Ping, 0x80 | 1, 0, 0, 0, 0, '1'},
		clientFrame(Continuation, bytes.Repeat([]byte("x"), 300)),
		{Final | Pong, 0x80 | 1, 0, 0, 0, 0, '2'},
		clientFrame(Final|Continuation, []byte(" two")),
		clientFrame(Final|Text, []byte("three")),
	} {
		all = append(all, part...)
	}
	want := []string{"1", "2", "one, " + string(bytes.Repeat([]byte("x"), 300)) + " two", "three"}
	for size := 1; size <= len(all); size++ {
		r := &Reader{Limit: limit}
		var got []string
		for from := 0; from < len(all); from += size {
			r.Add(all[from:min(from+size, len(all))])
			for {
				m, ok, err := r.Next()
				if err != nil {
					t.Fatalf("pieces of %d bytes: %v", size, err)
				}
				if !ok {
					break
				}
				got = append(got, string(m.Payload))
			}
		}
		if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || got[3] != want[3] {
			t.Fatalf("pieces of %d bytes: %q, want %q", size, got, want)
		}
		if r.got != nil || r.message != nil {
			t.Fatalf("pieces of %d bytes: an empty Reader holds %d and %d bytes", size, cap(r.got), cap(r.message))
		}
	}
}

// A worker serves many connections: none may have it copy a long unfinished
// message for each of the control frames in between.
func TestPingsWithinALongMessageAreCheap(t *testing.T) {
	r := &Reader{Limit: limit}
	r.Add(clientFrame(Text, make([]byte, 1<<20)))
	if _, ok, err := r.Next(); ok || err != nil {
		t.Fatal(ok, err)
	}
	ping := []byte{Final | Ping, 0x80, 0, 0, 0, 0}
	pings := bytes.Repeat(ping, 16<<10/len(ping))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r.Add(pings)
	n := 0
	for {
		_, ok, err := r.Next()
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
	for _, length := range []uint64{1 << 63, 1<<64 - 1, 1<<64 - 5, 1<<64 - 20, 1<<63 - 1, limit} {
		r := &Reader{Limit: limit}
		r.Add(clientFrame(Text, make([]byte, 100)))
		head := binary.BigEndian.AppendUint64([]byte{Continuation, 0x80 | 127}, length)
		r.Add(append(head, 0, 0, 0, 0))
		if _, _, err := r.Next(); err == nil {
			t.Errorf("a frame of %d bytes is waited for", length)
		}
	}
}
