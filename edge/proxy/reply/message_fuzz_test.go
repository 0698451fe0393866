package reply

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"weft/edge/route"
)

// FuzzMessage lets a node say anything: what is taken is an answer that can be written,
// and means the same when it is told again.
func FuzzMessage(f *testing.F) {
	f.Add(encode("aaaaaaaa.bbbbbbbbbbbbbbbbbbbbbb", &route.Answer{Status: 200, Header: http.Header{"A": {"1", "2"}}, Body: []byte("x\n\ny")}))
	f.Add([]byte("c\n200\n\n"))
	f.Add([]byte("c\n200\na: b\r\n\n"))
	f.Add([]byte("c\n99\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		correlation, a, ok := decode(data)
		if !ok {
			return
		}
		for name, values := range a.Header {
			for _, value := range values {
				if !route.HeaderName(name) || !route.HeaderValue(value) {
					t.Fatalf("%q: %q", name, value)
				}
			}
		}
		again, b, ok := decode(encode(correlation, a))
		if !ok || again != correlation || b.Status != a.Status || !bytes.Equal(b.Body, a.Body) || fmt.Sprint(b.Header) != fmt.Sprint(a.Header) {
			t.Fatalf("%q: %+v and %+v", data, a, b)
		}
	})
}
