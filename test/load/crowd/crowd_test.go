package crowd

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// cuts calls f with the stream cut into pieces of each size from 1 to its length.
func cuts(t *testing.T, stream string, f func(t *testing.T, pieces [][]byte)) {
	t.Helper()
	for size := 1; size <= len(stream); size++ {
		var pieces [][]byte
		for rest := []byte(stream); len(rest) > 0; {
			n := min(size, len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		t.Run(fmt.Sprint(size), func(t *testing.T) { f(t, pieces) })
	}
}

func TestMarksAreFoundWhereverTheStreamIsCut(t *testing.T) {
	want := []Mark{{1, 2, 3}, {0xffffffff, 0xfffffffe, time.Hour}, {0, 1, 0}}
	stream := "~no mark of ours, but as long as one would be~"
	for _, m := range want {
		stream += "data: " + string(m.Payload(nil, 128)) + "\n\n~~"
	}
	cuts(t, stream, func(t *testing.T, pieces [][]byte) {
		var k marks
		var got []Mark
		for _, b := range pieces {
			for {
				m, rest, ok := k.next(b)
				if !ok {
					break
				}
				got, b = append(got, m), rest
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestPayloadHasItsSize(t *testing.T) {
	for _, size := range []int{64, 128, 1024} {
		if got := len(Mark{Number: 7}.Payload(nil, size)); got != size {
			t.Errorf("%d bytes, want %d", got, size)
		}
	}
}

func TestChunksAreTakenOffWhereverTheStreamIsCut(t *testing.T) {
	stream := "5\r\nhello\r\n1;name=value\r\n,\r\nA\r\n cut\r\nhere\r\n"
	cuts(t, stream, func(t *testing.T, pieces [][]byte) {
		var c chunks
		var got strings.Builder
		for _, b := range pieces {
			for {
				body, rest, err := c.next(b)
				if err != nil {
					t.Fatal(err)
				}
				got.Write(body)
				if b = rest; len(b) == 0 {
					break
				}
			}
		}
		if want := "hello, cut\r\nhere"; got.String() != want {
			t.Errorf("got %q, want %q", got.String(), want)
		}
	})
}

func TestTheLastChunkEndsTheStreamAndNonsenseFails(t *testing.T) {
	for stream, want := range map[string]error{
		"0\r\n\r\n":            errEnded,
		"hello":                errChunk,
		"1\r\nabc":             errChunk,
		"ffffffffffffffff\r\n": errChunk,
	} {
		var c chunks
		b, err := []byte(stream), error(nil)
		for err == nil && len(b) > 0 {
			_, b, err = c.next(b)
		}
		if err != want {
			t.Errorf("%q: error %v, want %v", stream, err, want)
		}
	}
}

func TestFramesAreTakenOffWhereverTheStreamIsCut(t *testing.T) {
	medium, long := strings.Repeat("m", 300), strings.Repeat("l", 70_000)
	stream := "\x81\x05hello" + "\x89\x00" + "\x81\x7e\x01\x2c" + medium + "\x89\x02hi" +
		"\x81\x7f\x00\x00\x00\x00\x00\x01\x11\x70" + long
	for _, size := range []int{1, 2, 3, 7, 128, 4096, len(stream)} {
		var f frames
		got := map[byte][]byte{}
		ends := 0
		for rest := []byte(stream); len(rest) > 0; {
			b := rest[:min(size, len(rest))]
			for rest = rest[len(b):]; ; {
				p, more, err := f.next(b)
				if err != nil {
					t.Fatal(err)
				}
				if p.ok {
					got[p.op] = append(got[p.op], p.data...)
					if p.end {
						ends++
					}
				}
				if b = more; len(b) == 0 {
					break
				}
			}
		}
		if string(got[1]) != "hello"+medium+long || string(got[opPing]) != "hi" || ends != 5 {
			t.Errorf("in pieces of %d: %d bytes of text, pings %q, %d frames", size, len(got[1]), got[opPing], ends)
		}
	}
	var f frames
	if _, _, err := f.next([]byte("\x81\x85")); err != errMasked {
		t.Errorf("a masked frame: error %v", err)
	}
}

// A listener is fed whole responses, byte by byte and at once.
func TestListenersCountWhatTheyHear(t *testing.T) {
	event := "id: 1\ndata: " + string(Mark{Subject: 3, Number: 1}.Payload(nil, 128)) + "\n\n"
	second := strings.Replace(event, "00000003"+"00000001", "00000003"+"00000002", 1)
	responses := map[string]string{
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
			fmt.Sprintf("4\r\nweft\r\n5\r\n.open\r\n%x\r\n%s\r\n%x\r\n%s", len(event), event, len(second), second),
		"until closed": "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nweft.open\n\n" + event + second,
		"websocket": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x09weft.open\x81\x7e" +
			string([]byte{0, byte(len(event))}) + event + "\x81\x7e" + string([]byte{0, byte(len(second))}) + second,
	}
	for name, response := range responses {
		for _, size := range []int{1, 5, len(response)} {
			c := &Crowd{cfg: Config{Ready: "weft.open"}, changed: make(chan struct{}, 1)}
			s := &shard{crowd: c}
			c.shards = []*shard{s}
			l := &listener{subscriber: subscriber{subject: 3}}
			s.all = []*subscriber{&l.subscriber}
			for rest := []byte(response); len(rest) > 0; {
				n := min(size, len(rest))
				if _, err := l.take(s, rest[:n], 0); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				rest = rest[n:]
			}
			s.flush()
			r := c.Report(func(uint32) uint32 { return 2 })
			if !l.ready || r.Delivered != 2 || r.Faults() != 0 || c.Arrived(1) != 1 || c.Arrived(2) != 1 {
				t.Errorf("%s in pieces of %d: ready %v, %+v", name, size, l.ready, r.Delivered)
			}
		}
	}
}

func TestPingsAreAnsweredAndAClosingEnds(t *testing.T) {
	s := &shard{crowd: &Crowd{cfg: Config{Ready: "never"}}}
	l := &listener{coding: codingFrames}
	answer, err := l.take(s, []byte("\x89\x02hi\x89\x00"), 0)
	if want := "\x8a\x82\x00\x00\x00\x00hi\x8a\x80\x00\x00\x00\x00"; err != nil || string(answer) != want {
		t.Errorf("answer %q, error %v; want %q", answer, err, want)
	}
	if _, err := l.take(s, []byte("\x88\x02\x03\xe8"), 0); err != errEnded {
		t.Errorf("after a close frame: %v", err)
	}
}

func TestARefusalIsAnError(t *testing.T) {
	s := &shard{crowd: &Crowd{}}
	_, err := (&listener{}).take(s, []byte("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"), 0)
	if err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("error %v", err)
	}
}

func TestTrackTellsLostDoubledAndOvertaken(t *testing.T) {
	for _, c := range []struct {
		seen                    []uint32
		sent                    uint32
		lost, doubled, overtook int64
	}{
		{seen: []uint32{1, 2, 3}, sent: 3},
		{seen: []uint32{1, 2, 3}, sent: 5, lost: 2},
		{seen: []uint32{2, 3}, sent: 3, lost: 1},
		{seen: []uint32{1, 3, 2, 4}, sent: 4, overtook: 1},
		{seen: []uint32{1, 2, 2, 1, 3}, sent: 3, doubled: 2},
		{seen: []uint32{1, 100, 99, 99}, sent: 100, lost: 97, overtook: 1, doubled: 1},
		{seen: nil, sent: 4, lost: 4},
	} {
		var k track
		for _, n := range c.seen {
			k.see(n)
		}
		if k.missing(c.sent) != c.lost || int64(k.doubled) != c.doubled || int64(k.overtaken) != c.overtook {
			t.Errorf("%v of %d: lost %d, doubled %d, overtaken %d", c.seen, c.sent, k.missing(c.sent), k.doubled, k.overtaken)
		}
	}
}

func TestQuantilesAreExactToThreePerCent(t *testing.T) {
	var l Latency
	for i := range 10_000 {
		l.Add(time.Duration(i) * time.Microsecond)
	}
	for q, want := range map[float64]time.Duration{
		0.5: 5 * time.Millisecond, 0.99: 9900 * time.Microsecond, 0.999: 9990 * time.Microsecond,
	} {
		if got := l.Quantile(q); got > want || got < want*96/100 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := (&Latency{}).Quantile(0.5); got != 0 {
		t.Errorf("the median of nothing is %v", got)
	}
}

func TestATextIsAwaitedWhereverItIsCut(t *testing.T) {
	cuts(t, "aababaababc rest", func(t *testing.T, pieces [][]byte) {
		found := false
		var u subscriber
		for _, b := range pieces {
			found = found || u.await("aababc", b)
		}
		if !found {
			t.Error("not found")
		}
	})
}
