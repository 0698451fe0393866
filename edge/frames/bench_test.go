package frames

import (
	"bytes"
	"fmt"
	"testing"

	"weft/config/testkit/clientframe"
)

// What a worker of the poller does with each message of a client.
func BenchmarkAMessage(b *testing.B) {
	for _, size := range []int{32, 4 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			payload := append([]byte(`{"ref":1}`), bytes.Repeat([]byte(" "), size-9)...)
			frame := clientframe.Masked(Final|Text, string(payload))
			r := Reader{Limit: limit}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				r.Add(frame)
				if m, ok, err := r.Next(); !ok || err != nil || len(m.Payload) != size {
					b.Fatal(ok, err)
				}
				if _, ok, _ := r.Next(); ok {
					b.Fatal("one more")
				}
			}
		})
	}
}
