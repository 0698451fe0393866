package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/test/stage"
)

func TestNoRequestThatIsMeantToDeceiveReachesABackEnd(t *testing.T) {
	h := newHostile(t, nil)
	in := func(name string, f func(t *testing.T, h *hostile)) {
		t.Run(name, func(t *testing.T) { f(t, &hostile{t, h.node, h.back}) })
	}
	in("paths that lead out of their pattern", hostilePaths)
	in("methods that are not forwarded", hostileMethods)
	in("absolute form", hostileAbsolute)
	in("heads that two servers read differently", hostileHeads)
	in("bodies whose end is in doubt", hostileFraming)
	in("upgrades past the table", hostileUpgrades)
	in("headers that are Weft's to set", hostileIdentity)
	in("values that would break a line", hostileValues)
}

func hostilePaths(t *testing.T, h *hostile) {
	for _, path := range []string{
		"/api/..%2f..%2fadmin", "/api/..%2F..%2Fadmin", "/%2e%2e/", "/%2E%2e/admin", "/.%2e/admin", "/..;/", "/..;x=y/admin", "/api/;../admin",
		"/a/%5c..%5c", "/a/..%5cadmin", `/a/..\admin`, `/a\..\admin`, "/../admin", "/api/../admin", "/api/./admin", "/api/..", "/api/.",
		"//evil", "//evil/api/x", "///api", `/\evil`, `/\/evil`,
		"/api/a%00b", "/api/a%0d%0aX-Evil:%201", "/api/a%0ab", "/api/a%7fb", "/api/a%09b", "/value/..%2fx", "/value/%2e%2e", "/api/a#/../x",
	} {
		h.refused(getHead(path), 400, "bad_request")
	}
	// The HTTP server answers these by itself.
	for _, path := range []string{"/api/%zz", "/api/%", "/api/a%2", "api/x", "/api/a\x00b", "/api/a\x7fb", "/api/a b"} {
		h.refused(getHead(path), 400, "")
	}
	// What is only unusual arrives as it was sent.
	for _, path := range []string{
		"/api/a%2Fb", "/api/a%2fb", "/api//b//", "/api/...", "/api/a..b", "/api/%41%c3%a4", `/api/a|b"c<d>e^f{g}h` + "`", "/api/\xc3\xa4\xff",
		"/api/%252e%252e/x", "/api/a;b=c", "/api/a%5cb", "/api/a?b=/../c;d&%zz&e=f#g", "/api/a??", "/api/a?", "/api/!$&'()*+,;=:@-_~", "/%2Fevil",
	} {
		if strings.HasSuffix(path, "?") && !strings.HasSuffix(path, "??") {
			h.reaches(path, getHead(path)) // a query that is empty may be left out
			continue
		}
		h.reaches(path, getHead(path)).line("GET " + path + " HTTP/1.1")
	}
	h.reaches("a value in a path stays what was sent", getHead("/value/a%2Fb%3Fc%23d")).line("GET /inner/a%2Fb%3Fc%23d HTTP/1.1").header("X-Id", "is a/b?c#d")
}

func hostileMethods(t *testing.T, h *hostile) {
	for _, line := range []string{"CONNECT evil.example.com:443 HTTP/1.1", "CONNECT /api/x HTTP/1.1", "CONNECT weft:80 HTTP/1.1", "TRACE /api/x HTTP/1.1", "TRACE / HTTP/1.1"} {
		answer := h.refused(requestHead(line), 405, "bad_request")
		if allow := answer.Header.Get("Allow"); allow == "" || strings.Contains(allow, "CONNECT") || strings.Contains(allow, "TRACE") {
			t.Errorf("%s: Allow is %q", line, allow)
		}
	}
	h.refused(requestHead("OPTIONS * HTTP/1.1"), 400, "bad_request")
	h.refused(requestHead("G\x00T /api/x HTTP/1.1"), 400, "")
	h.refused(requestHead("GET /api/x HTTP/3.7"), 505, "")
	h.reaches("a method of one's own", requestHead("PURGE /api/x HTTP/1.1")).line("PURGE /api/x HTTP/1.1")
}

func hostileAbsolute(t *testing.T, h *hostile) {
	backHost := strings.TrimPrefix(h.back.URL(), "http://")
	for _, target := range []string{"http://weft/api/x?y", "HTTP://WEFT/api/x?y", "https://weft:8443/api/x?y", "http://mallory:secret@weft/api/x?y"} {
		h.reaches(target, requestHead("GET "+target+" HTTP/1.1")).line("GET /api/x?y HTTP/1.1").header("Host", backHost).
			header("Authorization").header("X-Forwarded-Proto", "http").lacks("mallory", "secret")
	}
	h.refused(requestHead("GET http://evil.example.com/api/x HTTP/1.1"), 421, "forbidden")
	h.refused("GET http://"+backHost+"@evil.example.com/api/x HTTP/1.1\r\nHost: weft\r\n\r\n", 421, "forbidden")
	h.refused(requestHead("GET http://weft//evil HTTP/1.1"), 400, "bad_request")
	h.refused(requestHead("GET http://weft/api/..%2fx HTTP/1.1"), 400, "bad_request")
	h.reaches("no path, which is /", requestHead("GET http://weft HTTP/1.1")).line("GET / HTTP/1.1")
	h.refused(requestHead("GET mailto:x@weft HTTP/1.1"), 400, "bad_request")
}

func hostileHeads(t *testing.T, h *hostile) {
	for what, sent := range map[string]string{
		"two Hosts":              "GET /api/x HTTP/1.1\r\nHost: weft\r\nHost: evil\r\n\r\n",
		"the same Host twice":    "GET /api/x HTTP/1.1\r\nHost: weft\r\nhost: weft\r\n\r\n",
		"no Host":                "GET /api/x HTTP/1.1\r\n\r\n",
		"a Host with a space":    "GET /api/x HTTP/1.1\r\nHost: weft evil\r\n\r\n",
		"a Host with a path":     "GET /api/x HTTP/1.1\r\nHost: weft/../x\r\n\r\n",
		"a fold after the line":  "GET /api/x HTTP/1.1\r\n Host: weft\r\nHost: weft\r\n\r\n",
		"a space before a colon": getHead("/api/x", "Weft-User : mallory"),
		"a name with a space":    getHead("/api/x", "Weft User: mallory"),
		"a line without a colon": getHead("/api/x", "Weft-User"),
		"a fold within a name":   getHead("/api/x", "Weft-", " User: mallory"),
		"a NUL in a value":       getHead("/api/x", "X-A: a\x00b"),
		"a bare CR in a value":   getHead("/api/x", "X-A: a\rWeft-User: mallory"),
		"a name with an umlaut":  getHead("/api/x", "W\xc3\xa4ft: 1"),
		"an empty name":          getHead("/api/x", ": 1"),
	} {
		h.back.Forget()
		answer := h.ask(sent)
		if answer.StatusCode != 400 && answer.StatusCode != 421 {
			t.Errorf("%s: answered %d", what, answer.StatusCode)
		}
		h.nothingCame(what)
	}
	many := make([]string, 10_000)
	for i := range many {
		many[i] = fmt.Sprintf("X-%d: y", i)
	}
	h.refused(getHead("/api/x", many...), 431, "")
	// A folded value is one line for the back end (RFC 9112, section 5.2).
	h.reaches("obs-fold", getHead("/api/x", "X-A: a", "\tWeft-User: mallory", " b")).header("X-A", "a Weft-User: mallory b").header("Weft-User")
	h.reaches("obs-fold of a host's neighbour", getHead("/api/x", "X-A:", " b")).header("X-A", "b")
}

func hostileFraming(t *testing.T, h *hostile) {
	smuggled := getHead("/admin")
	post := func(lines ...string) string { return requestHead("POST /api/x HTTP/1.1", lines...) }
	for what, sent := range map[string]string{
		"two Content-Lengths":           post("Content-Length: 5", "Content-Length: 6") + "hello!",
		"a list of Content-Lengths":     post("Content-Length: 5, 6") + "hello!",
		"a signed Content-Length":       post("Content-Length: +5") + "hello",
		"a negative Content-Length":     post("Content-Length: -1") + "hello",
		"a hexadecimal Content-Length":  post("Content-Length: 0x5") + "hello",
		"a coding before chunked":       post("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n",
		"a coding after chunked":        post("Transfer-Encoding: chunked, identity") + "0\r\n\r\n" + smuggled,
		"a coding of its own":           post("Transfer-Encoding: xchunked") + "0\r\n\r\n" + smuggled,
		"two Transfer-Encodings":        post("Transfer-Encoding: chunked", "Transfer-Encoding: identity") + "0\r\n\r\n" + smuggled,
		"a trailer that frames":         post("Transfer-Encoding: chunked", "Trailer: Content-Length") + "0\r\nContent-Length: 5\r\n\r\n" + smuggled,
		"an expectation of its own":     post("Expect: 200-ok", "Content-Length: 5") + "hello",
		"no version":                    "POST /api/x\r\n\r\n",
		"a version of its own":          "POST /api/x HTTP/1.1.1\r\nHost: weft\r\n\r\n",
		"a Transfer-Encoding with a VT": post("Transfer-Encoding: \x0bchunked") + "0\r\n\r\n" + smuggled,
	} {
		h.back.Forget()
		if answer := h.ask(sent); !slices.Contains([]int{400, 417, 501}, answer.StatusCode) {
			t.Errorf("%s: answered %d", what, answer.StatusCode)
		}
		h.nothingCame(what)
	}
	h.reaches("the same Content-Length twice", post("Content-Length: 5", "Content-Length: 5", "Connection: close")+"hello").header("Content-Length", "5").body("hello")

	h.reaches("framing that Connection names", post("Content-Length: 5", "Connection: Content-Length, Host, Transfer-Encoding")+"hello").
		header("Content-Length", "5").body("hello")
	h.reaches("chunks that have more to say", post("Transfer-Encoding: chunked")+"5;mallory=\"1\"\r\nhello\r\n0\r\n\r\n").lacks("mallory").body("5\r\nhello\r\n0\r\n\r\n")
	h.reaches("chunks over HTTP/1.0, where there are none", strings.Replace(post("Content-Length: 5", "Transfer-Encoding: chunked"), "1.1", "1.0", 1)+"hello").
		header("Transfer-Encoding").header("Content-Length", "5").body("hello")

	// Where both are there the chunks count (RFC 9112, section 6.1): that is all that a
	// back end is told, and what follows is not another request.
	h.back.Forget()
	said := h.say(post("Content-Length: 4", "Transfer-Encoding: chunked")+"5\r\nhello\r\n0\r\n\r\n"+smuggled, false)
	got := h.back.Await(1)
	one := wired{t, "Content-Length with Transfer-Encoding", got[0]}
	one.header("Content-Length").header("Transfer-Encoding", "chunked").body("5\r\nhello\r\n0\r\n\r\n")
	if strings.Count(said, "HTTP/1.1 ") != 1 || len(h.back.Requests()) != 1 {
		t.Errorf("Content-Length with Transfer-Encoding: what follows was served: %q, %q", said, h.back.Requests())
	}
	keptAfterChunks(t, h, post)

	// What is longer than it says is a request of its own: a bad one.
	h.back.Forget()
	said = h.say(post("Content-Length: 5")+"hello, world\r\n\r\n", false)
	if got := h.back.Await(1); len(got) != 1 || !strings.HasSuffix(got[0], "\r\n\r\nhello") || !strings.Contains(said, "HTTP/1.1 400 ") {
		t.Errorf("a Content-Length that is too small: %q reached the back end, answered %q", got, said)
	}
	// What is shorter than it says never looks whole to the back end.
	for _, sent := range []string{
		post("Content-Length: 50") + "hello",
		post("Transfer-Encoding: chunked") + "5\r\nhello\r\n",
		post("Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\n",
		post("Transfer-Encoding: chunked") + "5\r\nhello, world\r\n0\r\n\r\n",
		post("Transfer-Encoding: chunked") + "-5\r\nhello\r\n0\r\n\r\n",
		post("Transfer-Encoding: chunked") + "5;\x00\r\nhell\r\n0\r\n\r\n",
	} {
		h.back.Forget()
		if said := h.say(sent, true); strings.Contains(said, "HTTP/1.1 200 ") {
			t.Errorf("%q is answered %q", sent, said)
		}
		h.nothingCame(sent)
	}
}

// A connection is kept after a request in chunks, as programs send them, unless it is in
// doubt whether a Content-Length was there, too.
func keptAfterChunks(t *testing.T, h *hostile, post func(lines ...string) string) {
	const chunks = "5\r\nhello\r\n0\r\n\r\n"
	type sent struct {
		text string
		kept bool
	}
	for what, tc := range map[string]sent{
		"chunks":                         {post("Transfer-Encoding: chunked") + chunks, true},
		"chunks with trailers":           {post("Transfer-Encoding: chunked", "Trailer: X-Sum") + "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", true},
		"a Content-Length, too":          {post("Content-Length: 4", "Transfer-Encoding: chunked") + chunks, false},
		"a Content-Length behind":        {post("Transfer-Encoding: chunked", "cONTENT-lENGTH:4") + chunks, false},
		"a head that fills its buffer":   {post("X-Long: "+strings.Repeat("x", 5000), "Content-Length: 4", "Transfer-Encoding: chunked") + chunks, false},
		"a Content-Length in the middle": {post("Content-Length: 4", "X-Long: "+strings.Repeat("x", 5000), "Transfer-Encoding: chunked") + chunks, false},
		"a Content-Length in the body":   {post("Transfer-Encoding: chunked") + "11\r\n\r\ncontent-length:\r\n0\r\n\r\n", true},
	} {
		// The first request of a connection is read in another way than those that follow.
		for _, before := range []string{"", getHead("/api/x")} {
			h.afterChunks(what, before, tc.text, tc.kept)
		}
	}
	old := strings.Replace(post("Connection: keep-alive", "Content-Length: 3", "Transfer-Encoding: chunked"), "1.1", "1.0", 1)
	h.afterChunks("chunks over HTTP/1.0 beside a Content-Length", "", old+chunks, false)
	// What came in pieces, or together with the request before, is in doubt.
	h.back.Forget()
	said := h.say(getHead("/api/x")+post("Content-Length: 4", "Transfer-Encoding: chunked")+chunks+getHead("/admin"), false)
	if strings.Count(said, "HTTP/1.1 200") != 2 || len(h.back.Requests()) != 2 {
		t.Errorf("a pipelined Content-Length with Transfer-Encoding: %q, %q", said, h.back.Requests())
	}
}

// afterChunks checks whether a connection is kept after what is sent on it, behind a request
// before.
func (h *hostile) afterChunks(what, before, sent string, kept bool) {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.node.Address())
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	in := bufio.NewReader(conn)
	send := func(text string) (last bool) {
		_, _ = io.WriteString(conn, text)
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			h.t.Fatalf("%s: %v", what, err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		if res.StatusCode != 200 {
			h.t.Errorf("%s: answered %d", what, res.StatusCode)
		}
		return res.Close
	}
	if before != "" {
		_ = send(before)
	}
	if last := send(sent); last == kept {
		h.t.Errorf("%s, behind %q: the connection closes: %v", what, before, last)
	} else if kept {
		_ = send(sent)
		_ = send(getHead("/api/x"))
	} else if _, err := in.ReadByte(); err == nil {
		h.t.Errorf("%s, behind %q: the connection stays open", what, before)
	}
}

func hostileUpgrades(t *testing.T, h *hostile) {
	for _, lines := range [][]string{
		{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"},
		{"Connection: Upgrade", "Upgrade: h2c"},
		{"Upgrade: h2c"},
		{"Connection: Upgrade", "Upgrade: TLS/1.0"},
		{"Connection: keep-alive", "Connection: Upgrade", "Upgrade: foo"},
	} {
		h.reaches(strings.Join(lines, ", "), getHead("/api/x", lines...)).lacks("h2c", "upgrade", "http2-settings")
	}
	for _, lines := range [][]string{
		{"Connection: upgrade", "Upgrade: H2C, websocket"},
		{"Connection: upgrade", "Upgrade: websocket", "Upgrade: h2c"},
	} {
		h.reaches(strings.Join(lines, ", "), getHead("/api/x", lines...)).header("Upgrade", "websocket").header("Connection", "Upgrade").lacks("h2c")
	}
	// A WebSocket begins with a GET that has no body (RFC 6455, section 4.1): behind one it
	// could not be said where it begins.
	upgrade := []string{"Connection: upgrade", "Upgrade: websocket"}
	h.reaches("a WebSocket behind a body", getHead("/api/x", append(upgrade, "Content-Length: 5")...)+"hello").body("hello").lacks("upgrade", "websocket")
	h.reaches("a WebSocket of POST", requestHead("POST /api/x HTTP/1.1", append(upgrade, "Content-Length: 0")...)).lacks("upgrade", "websocket")
}

func hostileIdentity(t *testing.T, h *hostile) {
	token := "Authorization: Bearer " + stage.Token(t, "ann", stage.Claims{"good": "yes"})
	forged := []string{
		"Weft-User: mallory", "weft_user: mallory", "Weft_User: mallory", "WEFT-USER: mallory", "wEfT_uSeR: mallory", "Weft-Session: mallory",
		"Weft-Route: mallory", "Weft-Correlation: mallory", "weft-anything: mallory", "Weft-: mallory", "weft_: mallory",
	}
	h.reaches("forged identity, nobody", getHead("/api/x", forged...)).header("Weft-User").header("Weft-Session").header("Weft-Route", "api").lacks("mallory")
	h.reaches("forged identity, ann", getHead("/token/x", append(forged, token)...)).header("Weft-User", "ann").header("Weft-Route", "token").lacks("mallory")
	h.refused(getHead("/token/x", forged...), 401, "token_missing")

	h.reaches("what Connection names", getHead("/token/x", append(forged, token, "Connection: Weft-User, Authorization, X-Request-Id, X-Forwarded-For, Weft-Route, X-Good, X-Mine", "X-Mine: 1")...)).
		header("Weft-User", "ann").header("Authorization").header("Weft-Route", "token").header("X-Good", "yes").header("X-Forwarded-For", "127.0.0.1").
		header("Connection").header("X-Mine").lacks("mallory")
	// A token that is not passed on goes wherever it stands.
	secret := stage.Token(t, "ann", nil)
	h.reaches("a token that stays", getHead("/kept/x?a=1&access_token="+secret+"&access%5Ftoken=mallory&b;=2", "Authorization: Bearer "+secret,
		"Cookie: a=1; weft_token=mallory; b=2", "Cookie:  weft_token=mallory", "Cookie: weft_token =mallory", "Connection: x")).
		line("GET /kept/x?a=1&b;=2 HTTP/1.1").header("Cookie", "a=1; b=2").header("Weft-User", "ann").lacks(secret, "mallory", "access", "weft_token")
	if w := h.reaches("hop by hop", getHead("/api/x", "Keep-Alive: 5", "Proxy-Authorization: Basic mallory", "Proxy-Connection: close", "TE: trailers, gzip", "X-Stays: 1")); len(w.all("X-Stays")) != 1 {
		t.Errorf("a header of the client's own is lost: %q", w.text)
	} else {
		w.lacks("keep-alive:", "mallory", "proxy-connection", "gzip")
	}

	h.reaches("what the route sets, in another spelling", getHead("/value/a", "X_Id: mallory", "x_id: mallory")).header("X-Id", "is a").lacks("mallory")
	h.refused("GET /api/x HTTP/1.1\r\nHost: weft:80,evil.example\r\n\r\n", 421, "forbidden")
	h.reaches("trailers", requestHead("POST /api/x HTTP/1.1", "Transfer-Encoding: chunked", "Trailer: Weft-User, weft_user, Weft-Session, Authorization, Cookie, Host, X-Forwarded-For, X-Sum", "Connection: close")+
		"5\r\nhello\r\n0\r\nWeft-User: mallory\r\nweft_user: mallory\r\nWeft-Session: mallory\r\n"+
		"Authorization: mallory\r\nCookie: mallory\r\nHost: mallory\r\nX-Forwarded-For: mallory\r\nX-Sum: 1\r\n\r\n").
		lacks("mallory", "weft-user", "weft_user").header("Trailer", "X-Sum")

	w := h.reaches("forged addresses", getHead("/api/x", "Forwarded: for=6.6.6.6;host=evil;proto=https", "X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 7.7.7.7",
		"X-Forwarded-Host: evil", "X-Forwarded-Proto: https", "X_Forwarded_For: 6.6.6.6", "x-forwarded_host: evil"))
	w.header("X-Forwarded-For", "127.0.0.1").header("X-Forwarded-Host", "weft").header("X-Forwarded-Proto", "http").lacks("6.6.6.6", "7.7.7.7", "evil", "https")
	if len(w.all("Forwarded")) != 1 {
		t.Errorf("Forwarded came as %q", w.all("Forwarded"))
	}
	w = h.reaches("a request ID with a line break", getHead("/api/x", "X-Request-Id: a%0d%0aX-Evil: mallory", "X_Request_Id: mallory"))
	if id := w.lacks("mallory", "evil", "%0d").all("X-Request-Id"); len(id) != 1 || len(id[0]) != 22 {
		t.Errorf("X-Request-Id came as %q", id)
	}
	w.header("Traceparent")
	h.reaches("a bad traceparent", getHead("/api/x", "traceparent: 00-mallory-0-0", "tracestate: a=mallory")).lacks("mallory")
}

func hostileValues(t *testing.T, h *hostile) {
	for _, path := range []string{"/value/a%0d%0aX-Evil:1", "/value/a%0aX-Evil:1", "/value/%00"} {
		h.refused(getHead(path), 400, "bad_request")
	}
	for _, evil := range []any{"a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\x00", "\r", "a\x7f", []string{"a", "b\r\nX-Evil: 1"}} {
		token := stage.Token(t, "ann", stage.Claims{"evil": evil, "good": "yes"})
		h.reaches(fmt.Sprintf("the claim %q", evil), getHead("/token/x", "Authorization: Bearer "+token)).
			header("X-Claim").header("X-Evil").header("X-Good", "yes").header("Weft-User", "ann")
	}
	token := stage.Token(t, "an\r\nWeft-Route: x%ä", nil)
	if answer := h.ask(getHead("/token/x", "Authorization: Bearer "+token)); answer.StatusCode == 200 {
		got := h.back.Requests()
		wired{t, "a user with a line break", got[len(got)-1]}.header("Weft-Route", "token").header("Weft-User", "an%0D%0AWeft-Route:%20x%25%C3%A4")
	}
}
