package access

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestTheClientsAddressIsTheLastThatNoTrustedProxyVouchesFor(t *testing.T) {
	p, err := NewProxies([]string{"10.0.0.0/8", "192.0.2.7", "fd00::/8", "::ffff:192.0.2.8"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"direct", "203.0.113.1:5", nil, "203.0.113.1"},
		{"direct and lying", "203.0.113.1:5", []string{"1.1.1.1"}, "203.0.113.1"},
		{"one proxy", "10.0.0.1:5", []string{"198.51.100.1"}, "198.51.100.1"},
		{"client lies before the proxy", "10.0.0.1:5", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		{"two proxies", "10.0.0.1:5", []string{"1.1.1.1, 198.51.100.1, 192.0.2.7"}, "198.51.100.1"},
		{"several lines", "10.0.0.1:5", []string{"1.1.1.1", "198.51.100.1", "10.9.9.9,192.0.2.8"}, "198.51.100.1"},
		{"all trusted", "10.0.0.1:5", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"proxy without the header", "10.0.0.1:5", nil, "10.0.0.1"},
		{"empty header", "10.0.0.1:5", []string{""}, "10.0.0.1"},
		{"garbage", "10.0.0.1:5", []string{"1.1.1.1, unknown"}, "10.0.0.1"},
		{"garbage behind a proxy", "10.0.0.1:5", []string{"1.1.1.1, x, 10.0.0.2"}, "10.0.0.2"},
		{"port", "10.0.0.1:5", []string{"198.51.100.1:443"}, "198.51.100.1"},
		{"IPv6", "[fd00::1]:5", []string{"2001:db8::1"}, "2001:db8::1"},
		{"IPv6 with port", "[fd00::1]:5", []string{"[2001:db8::1]:80"}, "2001:db8::1"},
		{"IPv6 in brackets", "[fd00::1]:5", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:5", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"zone", "[fe80::1%eth0]:5", nil, "fe80::1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
			if got := p.Address(r); got != netip.MustParseAddr(c.want) {
				t.Errorf("address is %v, want %s", got, c.want)
			}
		})
	}
	if a := p.Address(&http.Request{RemoteAddr: "@"}); a.IsValid() {
		t.Errorf("a Unix socket has address %v", a)
	}
}

func TestBadProxiesAreRefused(t *testing.T) {
	for _, s := range []string{"", "proxy", "10.0.0.0/33", "10.0.0.1:80", "fe80::1%eth0", "::ffff:10.0.0.0/104"} {
		if _, err := NewProxies([]string{s}); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}

func FuzzAddress(f *testing.F) {
	f.Add("1.1.1.1, 10.0.0.2")
	f.Add(",[::1]:2,,%")
	p, err := NewProxies([]string{"10.0.0.0/8"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, forwarded string) {
		direct := &http.Request{RemoteAddr: "192.0.2.1:1", Header: http.Header{"X-Forwarded-For": {forwarded}}}
		if got := p.Address(direct); got != netip.MustParseAddr("192.0.2.1") {
			t.Fatalf("a stranger's header gives %v", got)
		}
		behind := &http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{"X-Forwarded-For": {forwarded}}}
		if got := p.Address(behind); !got.IsValid() || got.Is4In6() || got.Zone() != "" {
			t.Fatalf("address is %v", got)
		}
	})
}
