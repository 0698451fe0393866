package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"weft/config/testkit/waitfor"
	"weft/test/client"
	"weft/test/stage"
)

// endings are rows of how a connection ends.
func endings() []behaviour {
	return []behaviour{
		{"a token expires", nil, expires, "end.expired poll.expired close.last"},
		{"a token is revoked", nil, revoked, "end.revoked"},
		{"an operator ends a connection for good", nil, disconnected, "end.disconnected close.detail"},
		{"an operator sends a connection elsewhere", nil, dismissed, "end.dismissed"},
	}
}

// An ended is how a connection ended: the reason and reconnect of weft.close, of a poll those
// of its last answer, and the code of a close frame, or the status of a poll.
type ended struct {
	reason, detail string
	reconnect      bool
	retry          bool // one is told when to come back
	code           int
}

// end waits until the connection has ended. Of a poll it is the first answer that is a refusal.
func (v *visitor) end() (e ended) {
	v.t.Helper()
	limit := time.After(time.Minute)
	for over := error(nil); over == nil; {
		v.mu.Lock()
		over = v.over
		changed := v.changed
		v.mu.Unlock()
		if over != nil {
			break
		}
		select {
		case <-changed:
		case <-limit:
			v.t.Fatalf("%s: the connection does not end", v.kind)
		}
	}
	v.mu.Lock()
	over := v.over
	v.mu.Unlock()
	if v.kind == client.Poll {
		text := over.Error()
		_, _ = fmt.Sscanf(text, "status %d", &e.code) // then it is 0
		problem := problemOf([]byte(text[strings.IndexByte(text, '{'):]))
		e.reason, e.detail = problem.Code, problem.Detail
		return e
	}
	all := v.heard()
	if len(all) == 0 {
		v.t.Fatalf("nothing was heard before %v", over)
	}
	last := all[len(all)-1]
	if last.typ() != "weft.close" {
		v.t.Fatalf("the last that was heard is %+v, then %v", last, over)
	}
	about := last.about()
	e.reason, _ = about["reason"].(string)
	e.detail, _ = about["detail"].(string)
	e.reconnect, _ = about["reconnect"].(bool)
	if e.retry = about["retry"] != nil; v.kind == client.SSE {
		v.mu.Lock()
		e.retry = strings.Contains(v.blocks[len(v.blocks)-1], "retry: ")
		v.mu.Unlock()
		if !errors.Is(over, io.EOF) {
			v.t.Errorf("the stream ends with %v", over)
		}
		return e
	}
	if c, ok := errors.AsType[*websocket.CloseError](over); ok {
		e.code = c.Code
	}
	return e
}

// ends expects the end of a visitor: that of a stream, and what answers a poll.
func ends(t *testing.T, v *visitor, want ended, status int, code string) {
	t.Helper()
	got := v.end()
	switch v.kind {
	case client.Poll:
		want = ended{reason: code, detail: got.detail, code: status}
	case client.SSE:
		want.code = 0
	}
	if want.detail == "" {
		got.detail = ""
	}
	if got != want {
		t.Errorf("it ends as %+v, want %+v", got, want)
	}
}

func expires(t *testing.T, p *place, kind client.Transport) {
	v := p.visit(t, kind, tokenOf(t, fresh("ann"), stage.Claims{"exp": time.Now().Add(2 * time.Second).Unix()}))
	for life := 6 * time.Second; kind != client.Poll && !v.letIn(); life *= 3 { // a busy machine may be later than that
		v = p.visit(t, kind, tokenOf(t, fresh("ann"), stage.Claims{"exp": time.Now().Add(life).Unix()}))
	}
	ends(t, v, ended{reason: "expired", reconnect: true, code: 4401}, 401, "token_expired")
}

func revoked(t *testing.T, p *place, kind client.Transport) {
	ann := fresh("ann")
	token := tokenOf(t, ann, nil)
	v := p.visit(t, kind, token)
	v.begun()
	p.revoke(t, ann, token)
	ends(t, v, ended{reason: "revoked", code: 4403}, 403, "token_revoked")
}

// letIn waits until the connection is open, or was refused.
func (v *visitor) letIn() bool {
	v.t.Helper()
	for limit := time.After(time.Minute); ; {
		v.mu.Lock()
		all, over, changed := v.all, v.over, v.changed
		v.mu.Unlock()
		if len(all) > 0 {
			return all[0].typ() == "weft.open"
		}
		if over != nil {
			return false
		}
		select {
		case <-changed:
		case <-limit:
			v.t.Fatalf("%s: nobody lets it in, or refuses it", v.kind)
		}
	}
}

// operate has an operator end a user's connections, as soon as there is one. A node that is busy
// may do so without being counted.
func (p *place) operate(t *testing.T, user, query string) {
	t.Helper()
	late := false
	for deadline := time.Now().Add(time.Minute); ; {
		answer, text := p.inquire(t, 0, inquiry{http.MethodDelete, p.nodes[changing].AdminURL() + "/_weft/v1/users/" + user + "/connections?" + query, nil, nil})
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("answered %s %s", answer.Status, text)
		}
		complete := strings.Contains(string(text), `"complete":true`)
		if strings.Contains(string(text), `"disconnected":1`) || late && complete {
			return
		}
		late = late || !complete
		if time.Now().After(deadline) {
			t.Fatalf("nobody was there: %s", text)
		}
	}
}

func disconnected(t *testing.T, p *place, kind client.Transport) {
	ann := fresh("ann")
	v := p.visit(t, kind, tokenOf(t, ann, nil))
	v.begun()
	p.operate(t, ann, "reason=good+bye")
	ends(t, v, ended{reason: "disconnected", detail: "good bye", code: 4410}, 403, "forbidden")
	if got := v.end().detail; !strings.Contains(got, "good bye") {
		t.Errorf("the operator is quoted as %q", got)
	}
}

func dismissed(t *testing.T, p *place, kind client.Transport) {
	ann := fresh("ann")
	v := p.visit(t, kind, tokenOf(t, ann, nil))
	v.begun()
	p.operate(t, ann, "reconnect=true&reason=elsewhere")
	if kind != client.Poll {
		ends(t, v, ended{reason: "disconnected", reconnect: true, detail: "elsewhere", code: 4410}, 0, "")
		return
	}
	h := v.await("a close", func(h heard) bool { return h.json()["close"] != nil })
	if bye, _ := h.json()["close"].(map[string]any); bye["reason"] != "disconnected" || bye["reconnect"] != true || bye["detail"] != "elsewhere" {
		t.Errorf("the answer is %s", h.data)
	}
}

func missing(t *testing.T, p *place, kind client.Transport) {
	refused(t, p, kind, nil, "subject="+hall("x"), 401, "token_missing")
}

// limited is refused as one that may come later: over SSE with 200 and weft.close.
func limited(t *testing.T, p *place, kind client.Transport) {
	ann := fresh("ann")
	token := tokenOf(t, ann, nil)
	for range 2 {
		p.visit(t, client.SSE, token).begun()
	}
	if kind == client.Poll {
		answer, text := p.ask(t, kind, bearer(token), "")
		if answer.StatusCode != http.StatusTooManyRequests || problemOf(text).Code != "limit" || answer.Header.Get("Retry-After") < "1" {
			t.Errorf("answered %s %v %s", answer.Status, answer.Header, text)
		}
		return
	}
	ends(t, p.visit(t, kind, token), ended{reason: "limit", reconnect: true, retry: true, code: 4429}, 0, "")
}

// lazy follows, takes nothing for a while, and then all there is. It misses nothing of that
// when it comes back.
func lazy(t *testing.T, p *place, kind client.Transport) {
	ann, a := fresh("ann"), hall(fresh("a"))
	token := tokenOf(t, ann, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	stream, err := client.Open(ctx, kind, client.Target{URL: p.nodes[following].URL(), Token: token,
		Query: url.Values{"subject": {a}, "format": {"frame"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	last, err := stream.Next()
	if err != nil || last.Type != client.TypeOpen {
		t.Fatal(last, err)
	}
	// Beyond what the system keeps for a connection, but one fewer than are kept of a subject: of one
	// that is full nobody knows whether there were more, and who has had none of it is told of a reset.
	const all = 49
	for n := range all {
		p.note(t, a, "", fmt.Sprintf(`[%d,"%s"]`, n, strings.Repeat("x", 512<<10)))
	}
	for {
		answer, text := p.inquire(t, 0, inquiry{http.MethodGet, p.nodes[following].AdminURL() + "/_weft/v1/users/" + ann, nil, nil})
		if answer.StatusCode != http.StatusOK || ctx.Err() != nil {
			t.Fatalf("it is still there: %s %s", answer.Status, text)
		}
		if strings.Contains(string(text), `"online":false`) {
			break
		}
	}
	had, id := 0, last.ID
	for {
		e, err := stream.Next()
		if err != nil {
			break
		}
		if last = e; !e.InBand() {
			had++
		}
		if e.ID != "" {
			id = e.ID
		}
	}
	if had >= all || last.Type == client.TypeClose && !strings.Contains(string(last.Data), `"slow"`) {
		t.Errorf("had %d events; the last frame is %s %.200s", had, last.Type, last.Data)
	}
	again := p.visit(t, kind, token, "subject", a, "format", "frame", "last_event_id", id)
	if got := again.events(all - had); !strings.Contains(got[0].data, fmt.Sprintf("[%d,", had)) {
		t.Errorf("after %d events comes %.200s", had, got[0].data)
	}
}

// tooLong announces a message of two mebibytes, of which nothing comes: what the node has not
// read when it closes could take its word away.
func tooLong(t *testing.T, p *place, kind client.Transport) {
	v := p.visit(t, kind, tokenOf(t, fresh("ann"), nil))
	v.begun()
	if _, err := v.socket.NetConn().Write([]byte{0x81, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0, 1, 2, 3, 4}); err != nil {
		t.Fatal(err)
	}
	var over error
	waitfor.True(t, func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		over = v.over
		return over != nil
	})
	if !websocket.IsCloseError(over, websocket.CloseMessageTooBig) {
		t.Errorf("it ends with %v", over)
	}
	for _, h := range v.heard() {
		if h.typ() == "weft.close" {
			t.Errorf("it is told %s", h.data)
		}
	}
}
