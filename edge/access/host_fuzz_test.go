package access

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// FuzzHost looks for a host that is let in though, by the parser of URLs, it is neither
// an address nor a name of the listener's.
func FuzzHost(f *testing.F) {
	for _, host := range []string{"localhost:4000", "LOCALHOST.", "weft.example", "127.0.0.1", "[::1]:80", "evil.example", "localhost@evil.example", "[fe80::1%25eth0]", ""} {
		f.Add(host)
	}
	h, err := NewHost("127.0.0.1:0", []string{"weft.example"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if h.CheckName(&http.Request{Host: host, ProtoMajor: 1, ProtoMinor: 1}) != nil {
			return
		}
		u, err := url.Parse("http://" + host)
		if err != nil {
			return // no browser sends it
		}
		name := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
		if _, err := netip.ParseAddr(name); err != nil && name != "localhost" && name != "weft.example" {
			t.Fatalf("%q is let in", host)
		}
	})
}
