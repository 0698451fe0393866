package upstream_test

import (
	"strings"
	"testing"
)

func TestWhatAServerIsSent(t *testing.T) {
	type doc = map[string]any
	for name, tc := range map[string]struct {
		doc     doc // with target: host is put in
		request string
		trusted bool
		user    string
		first   string   // line
		has     []string // lines
		hasNot  []string // anywhere, in lower case
	}{
		"the client's path and query, byte for byte": {
			request: "GET /a%2Fb/c;v=1/x+y//z%7e?q=%zz&a=1;b=2&&=&r=a+b HTTP/1.1",
			first:   "GET /a%2Fb/c;v=1/x+y//z%7e?q=%zz&a=1;b=2&&=&r=a+b HTTP/1.1",
		},
		"bytes that a URL would escape anew": {
			request: "GET /\xc3\xbc{|}\"<>^`[]/%c3%bc?\xc3\xbc=\"{}<> HTTP/1.1",
			first:   "GET /\xc3\xbc{|}\"<>^`[]/%c3%bc?\xc3\xbc=\"{}<> HTTP/1.1",
		},
		"an absolute form": {request: "GET http://shop.example.com/a%2fb?x HTTP/1.1", first: "GET /a%2fb?x HTTP/1.1"},
		"an empty query":   {request: "GET /a? HTTP/1.1", first: "GET /a? HTTP/1.1"},
		"the target's path and query": {
			doc:     doc{"pattern": "/o/{id}/{rest...}", "target": "http://host/v1/{rest}/x%20y/{id}?k=v;w"},
			request: "GET /o/a%2Fb+c/d//e%20f;g?a=1&b=%zz HTTP/1.1",
			first:   "GET /v1/d//e%20f;g/x%20y/a%2Fb+c?k=v;w&a=1&b=%zz HTTP/1.1",
		},
		"the target's query alone": {
			doc:   doc{"pattern": "/{rest...}", "target": "http://host/{rest}?k=v"},
			first: "GET /a?k=v HTTP/1.1", request: "GET /a HTTP/1.1",
		},
		"the target's root": {doc: doc{"pattern": "/{rest...}", "target": "http://host/"}, request: "GET /a/b HTTP/1.1", first: "GET / HTTP/1.1"},
		"hop-by-hop headers go": {
			request: "GET / HTTP/1.1\r\nConnection: keep-alive, X-Hop, Accept\r\nX-Hop: 1\r\nAccept: 2\r\nKeep-Alive: 3\r\nProxy-Authorization: 4\r\nProxy-Connection: 5\r\nTE: gzip\r\nX-Stays: 6",
			has:     []string{"X-Stays: 6"},
			hasNot:  []string{"x-hop", "accept:", "keep-alive", "proxy-", "\r\nte:", "connection:"},
		},
		"ours are ours, whatever the spelling": {
			request: "GET / HTTP/1.1\r\nWeft-User: eve\r\nweft_user: eve\r\nWeft_User: eve\r\nWEFT-ANYTHING: eve\r\nweft-session: eve\r\nWeft_correlation: eve\r\nX_Forwarded_For: eve\r\nx_request_id: eve",
			has:     []string{"Weft-Route: orders", "X-Request-Id: id-1"},
			hasNot:  []string{"eve", "weft-user", "weft-session", "weft-correlation"},
		},
		"what Connection names is taken before ours are set": {
			user:    "ann",
			request: "GET / HTTP/1.1\r\nConnection: Weft-User, Authorization, X-Request-Id, X-Forwarded-For, Forwarded\r\nAuthorization: Basic eve\r\nWeft-User: eve",
			has:     []string{"Weft-User: ann", "X-Request-Id: id-1", "X-Forwarded-For: 127.0.0.1"},
			hasNot:  []string{"eve"},
		},
		"a user is escaped": {
			user:    "Ann %\r\nX: é\x7f",
			request: "GET / HTTP/1.1",
			has:     []string{"Weft-User: Ann%20%25%0D%0AX:%20%C3%A9%7F"},
		},
		"the correlation with a reply": {
			doc:     doc{"pattern": "/{rest...}", "target": "http://host", "reply": doc{"timeout": "1s"}},
			request: "GET / HTTP/1.1", has: []string{"Weft-Correlation: c.1"},
		},
		"where it comes from": {
			request: "GET / HTTP/1.1\r\nForwarded: for=eve\r\nX-Forwarded-For: eve\r\nX-Forwarded-Host: eve\r\nX-Forwarded-Proto: eve\r\nX-Request-Id: eve",
			has: []string{"X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: shop.example.com:8080", "X-Forwarded-Proto: http",
				`Forwarded: for=127.0.0.1;host="shop.example.com:8080";proto=http`},
			hasNot: []string{"eve"},
		},
		"what a trusted proxy says is added to": {
			trusted: true,
			request: "GET / HTTP/1.1\r\nForwarded: for=192.0.2.1\r\nForwarded: for=192.0.2.2;proto=https\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\nX-Forwarded-Host: a.example\r\nX-Forwarded-Proto: https\r\nX_Forwarded_For: eve",
			has: []string{"X-Forwarded-For: 192.0.2.1, 192.0.2.2, 127.0.0.1", "X-Forwarded-Host: a.example, shop.example.com:8080", "X-Forwarded-Proto: https, http",
				`Forwarded: for=192.0.2.1, for=192.0.2.2;proto=https, for=127.0.0.1;host="shop.example.com:8080";proto=http`},
			hasNot: []string{"eve"},
		},
		"a valid trace passes": {
			request: "GET / HTTP/1.1\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntracestate: rojo=00f067aa0ba902b7,a@b=1\r\ntracestate: 1x@y=z",
			has: []string{"Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
				"Tracestate: rojo=00f067aa0ba902b7,a@b=1", "Tracestate: 1x@y=z"},
		},
		"another one does not": {
			request: "GET / HTTP/1.1\r\ntraceparent: 00-00000000000000000000000000000000-00f067aa0ba902b7-01\r\ntracestate: rojo=1",
			hasNot:  []string{"trace"},
		},
		"a bad state goes without its parent": {
			request: "GET / HTTP/1.1\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntracestate: a=1,a=2",
			has:     []string{"Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, hasNot: []string{"tracestate"},
		},
		"two parents are none": {
			request: "GET / HTTP/1.1\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
			hasNot:  []string{"trace"},
		},
		"the token passes": {
			request: "GET /?access_token=t1 HTTP/1.1\r\nAuthorization: Bearer t1\r\nCookie: a=1; weft_token=t1; b=2",
			first:   "GET /?access_token=t1 HTTP/1.1", has: []string{"Authorization: Bearer t1", "Cookie: a=1; weft_token=t1; b=2"},
		},
		"or not": {
			doc:     doc{"pattern": "/{rest...}", "target": "http://host", "auth": doc{"mode": "optional", "pass_token": false}},
			request: "GET /?x=%zz;1&access_token=t1&access%5Ftoken=t1&y=a+b&xaccess_token=2 HTTP/1.1\r\nAuthorization: Bearer t1\r\nCookie: a=1; weft_token=t1; b=2\r\nCookie: weft_token=t1\r\nSec-WebSocket-Protocol: chat, bearer.t1, other",
			first:   "GET /?x=%zz;1&y=a+b&xaccess_token=2 HTTP/1.1",
			has:     []string{"Cookie: a=1; b=2", "Sec-Websocket-Protocol: chat, other"}, hasNot: []string{"t1", "authorization"},
		},
		"removed, then set, then ours": {
			doc: doc{"pattern": "/{rest...}", "target": "http://host", "request_headers": doc{
				"remove": []string{"X-A", "X-B", "X-Forwarded-For"}, "set": doc{"X-B": "set {method}", "X-Request-Id": "forged", "Forwarded": "forged", "X-C": "{header:x-a}"}}},
			request: "GET / HTTP/1.1\r\nX-A: a\r\nX-B: b\r\nX-B: bb",
			has:     []string{"X-B: set GET", "X-C: a", "X-Request-Id: id-1", "X-Forwarded-For: 127.0.0.1"}, hasNot: []string{"x-a:", "forged", "bb"},
		},
		"what is removed and set, in another spelling": {
			doc: doc{"pattern": "/{rest...}", "target": "http://host", "request_headers": doc{
				"remove": []string{"X-Internal"}, "set": doc{"X-Role": "user", "X-Missing": "{query:none}"}}},
			request: "GET / HTTP/1.1\r\nX_Role: eve\r\nx_role: eve\r\nX_Internal: eve\r\nx-internal: eve\r\nx_missing: eve\r\nX_Other: 1",
			has:     []string{"X-Role: user", "X_other: 1"}, hasNot: []string{"eve"},
		},
		"trailers that are not what headers say": {
			doc: doc{"pattern": "/{rest...}", "target": "http://host", "request_headers": doc{
				"remove": []string{"X-Internal"}, "set": doc{"X-Role": "user"}}},
			request: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" +
				"Trailer: X-Role, X_Role, X-Internal, Authorization, Cookie, Host, Te, Upgrade, Connection, X-Forwarded-For, Weft-User, X-Sum",
			has: []string{"Trailer: X-Sum"},
		},
		"a host of its own":         {request: "GET / HTTP/1.1", hasNot: []string{"\r\nhost: shop"}},
		"the client's host is kept": {doc: doc{"pattern": "/{rest...}", "target": "http://host", "preserve_host": true}, request: "GET / HTTP/1.1", has: []string{"Host: shop.example.com:8080"}},
		"no agent is made up":       {request: "GET / HTTP/1.1", hasNot: []string{"user-agent"}},
		"nothing is asked to be compressed": {
			request: "GET / HTTP/1.1", hasNot: []string{"accept-encoding"},
		},
		"another upgrade is removed": {
			request: "GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
			hasNot:  []string{"upgrade", "h2c", "http2-settings"},
		},
		"what comes along with a WebSocket, too": {
			request: "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c",
			has:     []string{"Upgrade: websocket", "Connection: Upgrade"}, hasNot: []string{"h2c"},
		},
		"a WebSocket": {
			request: "GET / HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: abc\r\nSec-WebSocket-Version: 13",
			has:     []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-Websocket-Key: abc", "Sec-Websocket-Version: 13"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := serveRaw(t, say(okAnswer))
			document := tc.doc
			if document == nil {
				document = doc{"pattern": "/{rest...}", "target": "http://host"}
			}
			document["target"] = strings.Replace(document["target"].(string), "host", server.Addr().String(), 1)
			g := newGateway(t, document)
			g.user = tc.user
			g.trusted.Store(tc.trusted)
			g.Start()
			_, answer, _ := g.talk(t, tc.request+"\r\nHost: shop.example.com:8080\r\n\r\n")
			var head string
			select {
			case head = <-server.heads:
			default:
				t.Fatalf("the server was asked nothing; the client was told %s", answer)
			}
			first, rest, _ := strings.Cut(head, "\r\n")
			if tc.first != "" && first != tc.first {
				t.Errorf("the server was sent\n%s\nwant\n%s", first, tc.first)
			}
			for _, line := range tc.has {
				if !strings.Contains("\r\n"+rest, "\r\n"+line+"\r\n") {
					t.Errorf("%q is not in\n%s", line, rest)
				}
			}
			for _, text := range tc.hasNot {
				if strings.Contains(strings.ToLower(head), text) {
					t.Errorf("%q is in\n%s", text, head)
				}
			}
		})
	}
}
