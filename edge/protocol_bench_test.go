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

// What each request for events costs before anybody looks at it.
func BenchmarkAPlainRequest(b *testing.B) {
	head := "GET /_weft/v1/events?subject=topic.hotel.42 HTTP/1.1\r\nHost: weft.example.com\r\nConnection: keep-alive\r\n" +
		"Accept: text/event-stream\r\nCache-Control: no-cache\r\nAuthorization: Bearer " + string(bytes.Repeat([]byte("x"), 300)) + "\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\nSec-Fetch-Mode: cors\r\n\r\n"
	b.ReportAllocs()
	for b.Loop() {
		x := exchanges.Get().(*exchange)
		if x.readPlain(head) == nil {
			b.Fatal("it is not plain")
		}
		x.free()
	}
}
