package test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"weft/test/stage"
)

// A request2 is a request of HTTP/2 as no client of good faith sends it: no field is
// checked, and none is added.
type request2 struct {
	fields   []hpack.HeaderField
	data     string
	trailers []hpack.HeaderField
}

// with is a request for a path with these fields more, name and value in turn. One that
// begins with a colon takes the place of the usual one; "-" takes it away.
func with(method, path string, more ...string) request2 {
	r := request2{fields: []hpack.HeaderField{{Name: ":method", Value: method}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "weft"}, {Name: ":path", Value: path}}}
	for i := 0; i < len(more); i += 2 {
		f := hpack.HeaderField{Name: more[i], Value: more[i+1]}
		at := slices.IndexFunc(r.fields, func(have hpack.HeaderField) bool { return strings.HasPrefix(f.Name, ":") && have.Name == f.Name })
		switch {
		case at < 0:
			r.fields = append(r.fields, f)
		case f.Value == "-":
			r.fields = slices.Delete(r.fields, at, at+1)
		default:
			r.fields[at] = f
		}
	}
	return r
}

// carrying is the request with a body.
func (r request2) carrying(data string) request2 {
	r.data = data
	return r
}

// ask2 sends a request and returns the status of its answer, or how it was broken off.
func (h *hostile) ask2(r request2) string {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.node.Address())
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	write := func(fields []hpack.HeaderField, end bool) error {
		block.Reset()
		for _, f := range fields {
			if err := encoder.WriteField(f); err != nil {
				return err
			}
		}
		return framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end})
	}
	_, err = io.WriteString(conn, http2.ClientPreface)
	if err == nil {
		err = framer.WriteSettings()
	}
	if err == nil {
		err = write(r.fields, r.data == "" && r.trailers == nil)
	}
	if err == nil && r.data != "" {
		err = framer.WriteData(1, r.trailers == nil, []byte(r.data))
	}
	if err == nil && r.trailers != nil {
		err = write(r.trailers, true)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			return "cut"
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			return f.PseudoValue("status")
		case *http2.RSTStreamFrame:
			return "reset"
		case *http2.GoAwayFrame:
			return "goaway"
		}
	}
}

func TestNoRequestOfHTTP2BecomesAnotherOnItsWayToABackEnd(t *testing.T) {
	h := newHostile(t, nil)
	token := "Bearer " + stage.Token(t, "ann", nil)
	const split = "/api/x HTTP/1.1\r\nHost: evil\r\n\r\nGET /admin"
	for what, c := range map[string]struct {
		request request2
		want    []string
	}{
		"//evil":                     {with("GET", "//evil"), []string{"400"}},
		"escaped dots":               {with("GET", "/api/..%2f..%2fadmin"), []string{"400"}},
		"dots":                       {with("GET", "/api/../admin"), []string{"400"}},
		"a path without a slash":     {with("GET", "api/x"), []string{"400", "reset"}},
		"a path of another host":     {with("GET", "http://evil/api/x"), []string{"400", "421", "reset"}},
		"an asterisk":                {with("OPTIONS", "*"), []string{"400"}},
		"a request in the path":      {with("GET", split), []string{"400", "reset"}},
		"a space in the path":        {with("GET", "/api/x HTTP/1.1"), []string{"400", "reset"}},
		"a space in the query":       {with("GET", "/api/x?a HTTP/1.1"), []string{"400", "reset"}},
		"a request in the query":     {with("GET", "/api/x?a HTTP/1.1\r\nHost: evil\r\n\r\n"), []string{"400", "reset"}},
		"a request in the method":    {with("GET /admin HTTP/1.1\r\nHost: evil\r\n\r\nGET", "/api/x"), []string{"400", "reset"}},
		"a request in the authority": {with("GET", "/api/x", ":authority", "weft\r\nWeft-User: mallory"), []string{"400", "421", "reset"}},
		"a request in the scheme":    {with("GET", "/api/x", ":scheme", "http://evil/x?"), []string{"400", "reset"}},
		"a line break in a value":    {with("GET", "/api/x", "x-a", "b\r\nweft-user: mallory"), []string{"400", "reset"}},
		"a NUL in a value":           {with("GET", "/api/x", "x-a", "b\x00"), []string{"400", "reset"}},
		"a line break in a name":     {with("GET", "/api/x", "x-a: b\r\nweft-user", "mallory"), []string{"400", "reset"}},
		"a colon in a name":          {with("GET", "/api/x", "weft-user:", "mallory"), []string{"400", "reset"}},
		"a name in upper case":       {with("GET", "/api/x", "Weft-User", "mallory"), []string{"400", "reset"}},
		"an empty name":              {with("GET", "/api/x", "", "mallory"), []string{"400", "reset", "cut", "goaway"}},
		"connection":                 {with("GET", "/token/x", "authorization", token, "connection", "weft-user"), []string{"400", "reset"}},
		"transfer-encoding":          {with("POST", "/api/x", "transfer-encoding", "chunked"), []string{"400", "reset"}},
		"upgrade":                    {with("GET", "/api/x", "upgrade", "h2c"), []string{"400", "reset"}},
		"te":                         {with("GET", "/api/x", "te", "gzip"), []string{"400", "reset"}},
		"a pseudo field twice":       {with("GET", "/api/x", ":method", "GET", "x", "y", ":pathx", "/admin"), []string{"400", "reset"}},
		"CONNECT":                    {with("CONNECT", "", ":path", "-", ":scheme", "-", ":authority", "evil:443"), []string{"405"}},
		"CONNECT for WebSocket":      {with("CONNECT", "/api/x", ":protocol", "websocket"), []string{"400", "405", "reset"}},
		"TRACE":                      {with("TRACE", "/api/x"), []string{"405"}},
		"no token":                   {with("GET", "/token/x", "weft-user", "mallory"), []string{"401"}},
		"a length that is too great": {with("POST", "/api/x", "content-length", "50").carrying("hello"), []string{"400", "502", "reset"}},
		"a length that is too small": {with("POST", "/api/x", "content-length", "2").carrying("hello"), []string{"400", "502", "reset"}},
	} {
		h.back.Forget()
		if got := h.ask2(c.request); !slices.Contains(c.want, got) {
			t.Errorf("%s: answered %s, want one of %v", what, got, c.want)
		}
		h.nothingCame(what)
	}

	reaches := func(why string, r request2) wired {
		t.Helper()
		h.back.Forget()
		if got := h.ask2(r); got != "200" {
			t.Errorf("%s: answered %s", why, got)
			return wired{t: t, why: why}
		}
		got := h.back.Await(1)
		if len(got) != 1 {
			t.Errorf("%s: %d requests reached the back end: %q", why, len(got), got)
		}
		return wired{t, why, got[0]}
	}
	reaches("identity", with("GET", "/token/x", "authorization", token, "weft-user", "mallory", "weft_user", "mallory", "weft-session", "mallory", "x_forwarded_for", "mallory")).
		header("Weft-User", "ann").header("Weft-Route", "token").lacks("mallory")
	reaches("a host beside the authority", with("GET", "/api/x", "host", "evil")).lacks("evil").header("X-Forwarded-Host", "weft")
	reaches("cookies in crumbs", with("GET", "/api/x", "cookie", "a=1", "cookie", "b=2")).header("Cookie", "a=1; b=2")
	reaches("a path as it is", with("GET", `/api/a|b"%2f<?x;%zz`)).line(`GET /api/a|b"%2f<?x;%zz HTTP/1.1`)
	reaches("no authority and two hosts", with("GET", "/api/x", ":authority", "-", "host", "weft", "host", "evil")).header("X-Forwarded-Host", "weft").lacks("evil")
	reaches("two lengths", with("POST", "/api/x", "content-length", "5", "content-length", "6").carrying("hello")).
		header("Content-Length", "5").body("hello")
	reaches("a length without a body", with("POST", "/api/x", "content-length", "5")).header("Content-Length", "0").body("")
	body := with("POST", "/api/x", "trailer", "weft-user, x-sum").carrying("hello")
	body.trailers = []hpack.HeaderField{{Name: "weft-user", Value: "mallory"}, {Name: "weft_session", Value: "mallory"}, {Name: "x-sum", Value: "1"}}
	reaches("trailers", body).lacks("mallory", "weft-user", "weft-session")
	var many []string
	for i := range 10_000 {
		many = append(many, fmt.Sprintf("x-%d", i), "y")
	}
	h.back.Forget()
	if got := h.ask2(with("GET", "/api/x", many...)); got == "200" {
		t.Error("10,000 headers are let through")
	}
	h.nothingCame("10,000 headers")
}
