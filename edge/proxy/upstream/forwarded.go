package upstream

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"weft/edge/route"
)

// setOurs sets what Weft says of the request.
func setOurs(h http.Header, call *route.Call) {
	values := make([]string, 0, ours) // one allocation for all
	set := func(name, value string) {
		if value != "" {
			values = append(values, value)
			h[name] = values[len(values)-1 : len(values) : len(values)]
		} else {
			delete(h, name)
		}
	}
	set("Weft-User", route.Visible(call.User))
	set("Weft-Session", route.Visible(call.Session))
	set("Weft-Route", call.Route.Name)
	if call.Route.Reply != nil {
		set("Weft-Correlation", call.Correlation)
	}
	set("X-Request-Id", call.RequestID)
	setForwarded(call, set)
}

// ours is how many headers setOurs sets, at most.
const ours = 9

// setForwarded says where the request came from (RFC 7239), adding to what a trusted proxy
// says.
func setForwarded(call *route.Call, set func(name, value string)) {
	in := call.Request
	proto := "http"
	if in.TLS != nil {
		proto = "https"
	}
	peer := peerOf(in.RemoteAddr)
	add := func(name, value string) {
		if call.Trusted {
			if before := in.Header[name]; len(before) > 0 {
				value = strings.TrimSuffix(strings.Join(before, ", ")+", "+value, ", ")
			}
		}
		set(name, value)
	}
	node, address := "unknown", ""
	if peer.IsValid() {
		address = peer.String()
		if node = address; peer.Is6() {
			node = `"[` + node + `]"`
		}
	}
	value := "for=" + node
	if in.Host != "" {
		value += ";host=" + tokenOrQuoted(in.Host)
	}
	add("Forwarded", value+";proto="+proto)
	add("X-Forwarded-For", address)
	add("X-Forwarded-Host", in.Host)
	add("X-Forwarded-Proto", proto)
}

// peerOf is the address of the peer; zero when it has none.
func peerOf(remote string) netip.Addr {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// tokenOrQuoted is a value of a parameter (RFC 9110, section 5.6.6).
func tokenOrQuoted(s string) string {
	const marks = "!#$%&'*+-.^_`|~"
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && strings.IndexByte(marks, c) < 0 {
			return `"` + escaper.Replace(s) + `"`
		}
	}
	return s
}
