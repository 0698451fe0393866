package test

import (
	"bufio"
	"encoding/json"
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

// A hostile is a node whose routes lead to a back end that keeps every byte.
type hostile struct {
	t    *testing.T
	node *stage.Node
	back *stage.Wire
}

func newHostile(t *testing.T, answer func(net.Conn, string)) *hostile {
	t.Helper()
	h := &hostile{t: t, node: stage.StartNode(t, stage.Settings(t.TempDir())), back: stage.StartWire(t, answer)}
	none := stage.Route{"mode": "none"}
	stage.PutRoute(t, h.node, "api", stage.Route{"pattern": "/api/{rest...}", "target": h.back.URL(), "auth": none})
	stage.PutRoute(t, h.node, "any", stage.Route{"pattern": "/{rest...}", "target": h.back.URL(), "auth": none})
	stage.PutRoute(t, h.node, "value", stage.Route{"pattern": "/value/{id}", "target": h.back.URL() + "/inner/{id}", "auth": none,
		"request_headers": stage.Route{"set": stage.Route{"X-Id": "is {id}"}}})
	stage.PutRoute(t, h.node, "token", stage.Route{"pattern": "/token/{rest...}", "target": h.back.URL(),
		"request_headers": stage.Route{"set": stage.Route{"X-Claim": "{/evil}", "X-Good": "{/good}"}}})
	stage.PutRoute(t, h.node, "kept", stage.Route{"pattern": "/kept/{rest...}", "target": h.back.URL(), "auth": stage.Route{"pass_token": false}})
	t.Cleanup(h.settles)
	h.reaches("the routes serve", "GET /api/ready HTTP/1.1\r\nHost: weft\r\nConnection: close\r\n\r\n")
	return h
}

// say sends bytes, and no more if that is all, and returns what is answered until the
// connection ends.
func (h *hostile) say(sent string, isAll bool) string {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.node.Address())
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, sent); err != nil {
		h.t.Fatal(err)
	}
	if isAll {
		_ = conn.(*net.TCPConn).CloseWrite()
	}
	said, _ := io.ReadAll(conn)
	return string(said)
}

// ask sends a request and reads its answer, whatever follows.
func (h *hostile) ask(sent string) *http.Response {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.node.Address())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, sent); err != nil {
		h.t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: strings.Fields(sent)[0]})
	if err != nil {
		h.t.Fatalf("%q: %v", short(sent), err)
	}
	return answer
}

// refused sends what must not reach the back end, and checks status, problem code ("" is
// an answer of the HTTP server itself) and that the next good request is the first that
// the back end sees.
func (h *hostile) refused(sent string, status int, code string) *http.Response {
	h.t.Helper()
	h.back.Forget()
	answer := h.ask(sent)
	body, err := io.ReadAll(answer.Body)
	var p struct{ Code string }
	_ = json.Unmarshal(body, &p)
	if err != nil && answer.Request.Method != "HEAD" || answer.StatusCode != status || p.Code != code {
		h.t.Errorf("%q: answered %d %q (%v), want %d %q", short(sent), answer.StatusCode, short(string(body)), err, status, code)
	}
	h.nothingCame(sent)
	return answer
}

// nothingCame checks that the next good request is the first that the back end sees.
func (h *hostile) nothingCame(of string) {
	h.t.Helper()
	answer := h.ask("GET /api/after HTTP/1.1\r\nHost: weft\r\nConnection: close\r\n\r\n")
	if answer.StatusCode != 200 {
		h.t.Fatalf("after %q a good request is answered %d", short(of), answer.StatusCode)
	}
	if got := h.back.Await(1); len(got) != 1 || !strings.HasPrefix(got[0], "GET /api/after HTTP/1.1\r\n") {
		h.t.Errorf("%q reached the back end: %q", short(of), got)
	}
}

// settles waits until nothing of what was tried is left: no request runs, and the back end
// has no more connections than wait for the next request.
func (h *hostile) settles() {
	if h.t.Failed() {
		return
	}
	if metric(h.t, h.node, `weft_route_requests_total\{[^}]*"2xx"[^}]*\}`) == 0 {
		h.t.Error("no request has been counted")
	}
	eventually(h.t, 20*time.Second, "no request runs any more, and connections to the back end are few", func() bool {
		return metric(h.t, h.node, `weft_route_running\{[^}]*\}`) == 0 && h.back.Open() <= 2
	})
}

// reaches sends one request that must reach the back end as one, and returns it.
func (h *hostile) reaches(why, sent string) wired {
	h.t.Helper()
	h.back.Forget()
	answer := h.ask(sent)
	_, _ = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != 200 {
		h.t.Errorf("%s: answered %d", why, answer.StatusCode)
		return wired{t: h.t, why: why}
	}
	got := h.back.Await(1)
	if len(got) != 1 {
		h.t.Errorf("%s: %d requests reached the back end: %q", why, len(got), got)
	}
	return wired{h.t, why, got[0]}
}

// A wired is a request as it came over the wire.
type wired struct {
	t    *testing.T
	why  string
	text string
}

// line checks the request line.
func (w wired) line(want string) wired {
	w.t.Helper()
	if got, _, _ := strings.Cut(w.text, "\r\n"); got != want {
		w.t.Errorf("%s: the request line is %q, want %q", w.why, got, want)
	}
	return w
}

// all are the values of a header, whatever its case, - and _ being one.
func (w wired) all(name string) (values []string) {
	head, _, _ := strings.Cut(w.text, "\r\n\r\n")
	for _, line := range strings.Split(head, "\r\n")[1:] {
		n, v, _ := strings.Cut(line, ":")
		if strings.EqualFold(strings.ReplaceAll(n, "_", "-"), name) {
			values = append(values, strings.TrimSpace(v))
		}
	}
	return values
}

// header checks that a header came with these values only.
func (w wired) header(name string, want ...string) wired {
	w.t.Helper()
	if got := w.all(name); !slices.Equal(got, want) {
		w.t.Errorf("%s: %s came as %q, want %q: %q", w.why, name, got, want, w.text)
	}
	return w
}

// lacks checks that text came nowhere, in no case.
func (w wired) lacks(texts ...string) wired {
	w.t.Helper()
	for _, text := range texts {
		if strings.Contains(strings.ToLower(w.text), strings.ToLower(text)) {
			w.t.Errorf("%s: %q reached the back end: %q", w.why, text, w.text)
		}
	}
	return w
}

// body checks what follows the head.
func (w wired) body(want string) wired {
	w.t.Helper()
	if _, got, _ := strings.Cut(w.text, "\r\n\r\n"); got != want {
		w.t.Errorf("%s: the body is %q, want %q", w.why, got, want)
	}
	return w
}

func short(s string) string {
	if len(s) > 300 {
		return fmt.Sprintf("%s… (%d bytes)", s[:300], len(s))
	}
	return s
}

// getHead is a request of HTTP/1.1 for the path, with these lines after the Host.
func getHead(path string, lines ...string) string {
	return requestHead("GET "+path+" HTTP/1.1", lines...)
}

func requestHead(line string, lines ...string) string {
	return line + "\r\nHost: weft\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}
