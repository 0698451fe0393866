package httpd

import (
	"bytes"
	"testing"
)

// What each request for events costs before anybody looks at it.
func BenchmarkAPlainRequest(b *testing.B) {
	head := "GET /_weft/v1/events?subject=topic.hotel.42 HTTP/1.1\r\nHost: weft.example.com\r\nConnection: keep-alive\r\n" +
		"Accept: text/event-stream\r\nCache-Control: no-cache\r\nAuthorization: Bearer " + string(bytes.Repeat([]byte("x"), 300)) + "\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\nSec-Fetch-Mode: cors\r\n\r\n"
	b.ReportAllocs()
	for b.Loop() {
		p := pooledRequests.Get().(*pooledRequest)
		if p.readPlain(head, "/_weft/v1/events") == nil {
			b.Fatal("it is not plain")
		}
		p.free()
	}
}
