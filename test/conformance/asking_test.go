package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"weft/test/client"
	"weft/test/stage"
)

// asking are rows of how a client asks for events, and of how it is refused.
func asking() []behaviour {
	answered := []client.Transport{client.SSE, client.Poll}
	socket := []client.Transport{client.WebSocket}
	return []behaviour{
		{"the transport is what the request has", nil, transportOfRequest, "ask.sse ask.websocket ask.poll query.empty"},
		{"a token comes in a header", nil, tokenInHeader, "token.header"},
		{"a token comes in a cookie", nil, tokenInCookie, "token.cookie"},
		{"a token comes in a sub-protocol", socket, tokenInProtocol, "token.protocol"},
		{"two tokens are none", nil, twoTokens, "token.two"},
		{"a page of another site does not use the cookie", nil, cookieOfAnotherSite, "token.site"},
		{"who may not is refused", nil, refusals, "refuse.invalid refuse.forbidden refuse.nothing refuse.subject refuse.parameter refuse.twice refuse.many"},
		{"who is late or revoked is refused", answered, refusedTokens, "refuse.expired refuse.revoked"},
		{"who is late or revoked is told so on a WebSocket", socket, refusedTokens, "refuse.socket"},
		{"an error is a problem", answered, problems, "error.problem"},
		{"an id in the header wins", answered, idInHeader, "query.header"},
	}
}

// An inquiry is a request that is not one of a visitor.
type inquiry struct {
	method, path string
	header       http.Header
	body         []byte
}

// inquire asks one of the nodes and returns the answer with its body.
func (p *place) inquire(t *testing.T, node int, q inquiry) (*http.Response, []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	address := q.path
	if strings.HasPrefix(address, "/") {
		address = p.url(node, q.path)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, address, bytes.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	if q.header != nil {
		req.Header = q.header
	}
	answer, err := p.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode == http.StatusOK && answer.Header.Get("Content-Type") == "text/event-stream" {
		text := make([]byte, 4096)
		n, err := answer.Body.Read(text) // it does not end
		if n == 0 {
			t.Fatal(err)
		}
		return answer, text[:n]
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, text
}

// ask asks for events over a transport, and returns what it is answered, over a WebSocket the
// answer to the handshake.
func (p *place) ask(t *testing.T, kind client.Transport, header http.Header, query string) (*http.Response, []byte) {
	t.Helper()
	if header == nil {
		header = http.Header{}
	}
	if kind == client.SSE {
		header.Set("Accept", "text/event-stream")
	}
	if kind != client.WebSocket {
		return p.inquire(t, following, inquiry{http.MethodGet, events + "?" + query, header, nil})
	}
	d := websocket.Dialer{TLSClientConfig: p.trust(), HandshakeTimeout: time.Minute}
	d.Subprotocols = header.Values("Sec-WebSocket-Protocol")
	header.Del("Sec-WebSocket-Protocol")
	conn, answer, err := d.Dial(strings.Replace(p.url(following, events), "http", "ws", 1)+"?"+query, header)
	if answer == nil {
		t.Fatal(err)
	}
	if conn == nil {
		text, _ := io.ReadAll(answer.Body)
		return answer, text
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	_, text, err := conn.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); websocket.IsCloseError(err, 4401, 4403) {
		answer.Header.Set("Closed", fmt.Sprint(err.(*websocket.CloseError).Code))
	}
	return answer, text
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// opened says whether an answer is that of who was let in.
func opened(kind client.Transport, answer *http.Response, text []byte) bool {
	switch kind {
	case client.SSE:
		return answer.StatusCode == http.StatusOK && bytes.Contains(text, []byte("weft.open"))
	case client.WebSocket:
		return answer.StatusCode == http.StatusSwitchingProtocols && bytes.Contains(text, []byte("weft.open"))
	}
	return answer.StatusCode == http.StatusOK && bytes.Contains(text, []byte(`"last_event_id":"`)) && !bytes.Contains(text, []byte(`"reset":true`))
}

func transportOfRequest(t *testing.T, p *place, kind client.Transport) {
	answer, text := p.ask(t, kind, bearer(tokenOf(t, fresh("ann"), nil)), "last_event_id=&since=&format=&wait=&presence=")
	want := map[client.Transport]string{client.SSE: "text/event-stream", client.Poll: "application/json", client.WebSocket: ""}[kind]
	if !opened(kind, answer, text) || answer.Header.Get("Content-Type") != want {
		t.Errorf("answered %s %v: %s", answer.Status, answer.Header, text)
	}
}

func tokenInHeader(t *testing.T, p *place, kind client.Transport) {
	ann := fresh("ann")
	if answer, text := p.ask(t, kind, bearer(tokenOf(t, ann, nil)), "subject=user."+ann); !opened(kind, answer, text) {
		t.Errorf("answered %s: %s", answer.Status, text)
	}
}

func tokenInCookie(t *testing.T, p *place, kind client.Transport) {
	ann := fresh("ann")
	header := http.Header{"Cookie": {"weft_token=" + tokenOf(t, ann, nil)}, "Origin": {strings.TrimSuffix(p.url(following, "/"), "/")}}
	if answer, text := p.ask(t, kind, header, "subject=user."+ann); !opened(kind, answer, text) {
		t.Errorf("answered %s: %s", answer.Status, text)
	}
}

func tokenInProtocol(t *testing.T, p *place, kind client.Transport) {
	ann := fresh("ann")
	header := http.Header{"Sec-WebSocket-Protocol": {"weft.v1", "bearer." + tokenOf(t, ann, nil)}}
	answer, text := p.ask(t, kind, header, "subject=user."+ann)
	if !opened(kind, answer, text) || answer.Header.Get("Sec-WebSocket-Protocol") != "weft.v1" {
		t.Errorf("answered %s %v: %s", answer.Status, answer.Header, text)
	}
}

func twoTokens(t *testing.T, p *place, kind client.Transport) {
	header := bearer(tokenOf(t, fresh("ann"), nil))
	header.Add("Authorization", "Bearer "+tokenOf(t, fresh("bob"), nil))
	refused(t, p, kind, header, "", http.StatusBadRequest, "bad_request")
}

// refused asks and expects a problem.
func refused(t *testing.T, p *place, kind client.Transport, header http.Header, query string, status int, code string) {
	t.Helper()
	answer, text := p.ask(t, kind, header, query)
	if problem := problemOf(text); answer.StatusCode != status || problem.Code != code {
		t.Errorf("%s is answered %s %s, want %d %s", query, answer.Status, text, status, code)
	}
}

func problemOf(text []byte) (p client.Problem) {
	_ = json.Unmarshal(text, &p) // then it has no code
	return p
}

// A page of another site may make a browser send the cookie: with a WebSocket, a POST or a
// PATCH it gets nothing for it, and what another GET brings it may not read.
func cookieOfAnotherSite(t *testing.T, p *place, kind client.Transport) {
	header := func() http.Header {
		return http.Header{"Cookie": {"weft_token=" + tokenOf(t, fresh("ann"), nil)}, "Origin": {"https://elsewhere.example"}}
	}
	if kind == client.WebSocket {
		refused(t, p, kind, header(), "", http.StatusForbidden, "forbidden")
		return
	}
	for method, path := range map[string]string{http.MethodPost: events + "?subject=topic.hall.x", http.MethodPatch: "/_weft/v1/connections/x"} {
		answer, text := p.inquire(t, changing, inquiry{method, path, header(), []byte(`{}`)})
		if answer.StatusCode != http.StatusForbidden || problemOf(text).Code != "forbidden" {
			t.Errorf("%s is answered %s %s", method, answer.Status, text)
		}
	}
	if answer, _ := p.ask(t, kind, header(), ""); answer.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("the page may read %v", answer.Header)
	}
}

func refusals(t *testing.T, p *place, kind client.Transport) {
	ann := fresh("ann")
	token := tokenOf(t, ann, nil)
	many := url.Values{}
	for i := range 257 {
		many.Add("subject", fmt.Sprintf("topic.hall.%d", i))
	}
	for _, c := range []struct {
		token, query string
		status       int
		code         string
	}{
		{"no.token.atall", "", 401, "token_invalid"},
		{token, "subject=topic.room.closed", 403, "forbidden"},
		{stage.Token(t, ann, nil), "", 403, "forbidden"},
		{token, "subject=hotel", 400, "bad_subject"},
		{token, "subjects=topic.hall.x", 400, "bad_request"},
		{token, "since=1h&since=2h", 400, "bad_request"},
		{token, many.Encode(), 400, "bad_request"},
	} {
		var header http.Header
		if c.token != "" {
			header = bearer(c.token)
		}
		refused(t, p, kind, header, c.query, c.status, c.code)
	}
	if answer, text := p.ask(t, kind, bearer(token), strings.Join(strings.Split(many.Encode(), "&")[:256], "&")); !opened(kind, answer, text) {
		t.Errorf("256 subjects are answered %s %.100s", answer.Status, text)
	}
}

// revoke puts a user on the blacklist, and waits until all nodes know.
func (p *place) revoke(t *testing.T, user, token string) {
	t.Helper()
	if answer, text := p.inquire(t, 0, inquiry{http.MethodPut, p.nodes[changing].AdminURL() + "/_weft/v1/blacklist/user." + user, nil, nil}); answer.StatusCode >= 300 {
		t.Fatalf("revoke: %s %s", answer.Status, text)
	}
	for node := range p.nodes {
		for deadline := time.Now().Add(time.Minute); ; {
			answer, _ := p.inquire(t, node, inquiry{http.MethodGet, "/_weft/v1/me", bearer(token), nil})
			if answer.StatusCode == http.StatusForbidden {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("node %d takes a token that is revoked", node)
			}
		}
	}
}

func refusedTokens(t *testing.T, p *place, kind client.Transport) {
	ann := fresh("ann")
	late, token := tokenOf(t, ann, stage.Claims{"exp": time.Now().Add(-time.Hour).Unix()}), tokenOf(t, ann, nil)
	p.revoke(t, ann, token)
	for _, c := range []struct {
		token, code, reason, closed string
		status                      int
	}{{late, "token_expired", "expired", "4401", 401}, {token, "token_revoked", "revoked", "4403", 403}} {
		if kind != client.WebSocket {
			refused(t, p, kind, bearer(c.token), "", c.status, c.code)
			continue
		}
		answer, text := p.ask(t, kind, bearer(c.token), "")
		if !bytes.Contains(text, []byte(`"weft.close"`)) || !bytes.Contains(text, []byte(`"reason":"`+c.reason+`"`)) || answer.Header.Get("Closed") != c.closed {
			t.Errorf("%s is told %s and closed with %s", c.reason, text, answer.Header.Get("Closed"))
		}
	}
}

func problems(t *testing.T, p *place, kind client.Transport) {
	answer, text := p.ask(t, kind, nil, "subject="+hall("x"))
	problem := problemOf(text)
	if answer.Header.Get("Content-Type") != "application/problem+json" || problem.Status != answer.StatusCode || problem.Title == "" || problem.Detail == "" {
		t.Errorf("%v %s", answer.Header, text)
	}
}

func idInHeader(t *testing.T, p *place, kind client.Transport) {
	topic, token := hall(fresh("a")), tokenOf(t, fresh("ann"), nil)
	v := p.visit(t, kind, token, "subject", topic, "format", "frame")
	v.begun()
	for _, n := range []string{"1", "2", "3"} {
		p.note(t, topic, "", n)
	}
	var ids []string
	for _, h := range v.events(3) {
		ids = append(ids, h.json()["id"].(string))
	}
	header := bearer(token)
	header.Set("Last-Event-ID", ids[1])
	if kind == client.SSE {
		header.Set("Accept", "text/event-stream")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url(changing, events+"?format=frame&subject="+topic+"&last_event_id="+ids[0]), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	answer, err := p.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var text []byte
	for !slices.Contains([]error{io.EOF, context.DeadlineExceeded}, err) && !bytes.Contains(text, []byte(`"data":3`)) {
		some := make([]byte, 4096)
		var n int
		n, err = answer.Body.Read(some)
		text = append(text, some[:n]...)
	}
	if bytes.Contains(text, []byte(`"data":2`)) || !bytes.Contains(text, []byte(`"data":3`)) {
		t.Errorf("heard %s", text)
	}
}
