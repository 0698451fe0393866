package access

import (
	"errors"
	"net/http"
	"testing"
)

func TestAListenerAnswersToItsNames(t *testing.T) {
	h, err := NewHost("node.internal:4010", []string{"Events.Example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host  string
		minor int
		ok    bool
	}{
		{"node.internal", 1, true}, {"NODE.internal.:4010", 1, true}, {"events.example.com:443", 1, true}, {"localhost:1", 1, true},
		{"127.0.0.1:4010", 1, true}, {"[::1]:4010", 1, true}, {"::1", 1, true}, {"192.0.2.1", 1, true},
		{"evil.example", 1, false}, {"evil.example:4010", 1, false}, {"localhost.evil.example", 1, false}, {"127.0.0.1.evil.example", 1, false},
		{"localhost:80,evil.example", 1, false}, {"localhost:80@evil.example", 1, false}, {"localhost:", 1, true}, {"127.0.0.1:a", 1, false},
		{"", 1, false}, {":4010", 1, false}, {"", 0, true}, {"evil.example", 0, false},
	} {
		r := &http.Request{Method: "GET", Host: c.host, ProtoMajor: 1, ProtoMinor: c.minor, Header: http.Header{}}
		if err := h.CheckName(r); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrHost) {
			t.Errorf("%q, HTTP/1.%d: %v", c.host, c.minor, err)
		}
	}
}
