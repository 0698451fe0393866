package edge

import (
	"bytes"
	"fmt"
	"testing"
)

// What a worker of the poller does with each message of a client.
func BenchmarkAMessage(b *testing.B) {
	for _, size := range []int{32, 4 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			payload := append([]byte(`{"ref":1}`), bytes.Repeat([]byte(" "), size-9)...)
			frame := masked(final|opText, string(payload))
			var in inbox
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				in.add(frame)
				if d, ok, err := in.next(); !ok || err != nil || len(d.payload) != size {
					b.Fatal(ok, err)
				}
				if _, ok, _ := in.next(); ok {
					b.Fatal("one more")
				}
			}
		})
	}
}
