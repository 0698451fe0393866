package test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"weft/config/testkit/standstill"
	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// startHolding starts a back end that holds what it is asked: /wait without an answer,
// /stream after a first event, /long after a first byte of something else, /socket as a
// WebSocket that sends back what it gets.
func startHolding(t *testing.T) *stage.Backend {
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	return stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/socket"):
			conn, err := up.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer conn.Close()
			for {
				kind, data, err := conn.ReadMessage()
				if err != nil || conn.WriteMessage(kind, data) != nil {
					return
				}
			}
		case strings.HasSuffix(r.URL.Path, "/stream"):
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "data: 1\n\n")
		case strings.HasSuffix(r.URL.Path, "/long"):
			fmt.Fprint(w, "1")
		case strings.HasSuffix(r.URL.Path, "/wait"):
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return
		default:
			return
		}
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
}

// A held is a request that runs.
type held struct {
	kind string
	done chan string // how it ended: a status and a code, "broken off" or "whole"
	at   time.Time
}

// holdAll begins one request of each kind with a token, and returns when all run.
func holdAll(t *testing.T, n *stage.Node, back *stage.Backend, path, token string, kinds ...string) []*held {
	t.Helper()
	before := len(back.Received())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	t.Cleanup(cancel)
	var all []*held
	for _, kind := range kinds {
		h := &held{kind: kind, done: make(chan string, 1)}
		all = append(all, h)
		running := make(chan bool, 1)
		go func() {
			how := h.run(ctx, n, path, token, running)
			h.at = time.Now()
			h.done <- how
		}()
		if kind != "wait" && kind != "upload" {
			select {
			case <-running:
			case how := <-h.done:
				t.Fatalf("%s does not run: %s", kind, how)
			}
		}
	}
	back.Await(before + len(kinds))
	return all
}

func (h *held) run(ctx context.Context, n *stage.Node, path, token string, running chan<- bool) string {
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	if h.kind == "socket" {
		conn, answer, err := websocket.DefaultDialer.DialContext(ctx, "ws"+strings.TrimPrefix(n.URL(), "http")+path+"/socket", header)
		if err != nil {
			return fmt.Sprintf("%v %v", answer, err)
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		if conn.WriteMessage(websocket.TextMessage, []byte("hello")) != nil {
			return "does not take a message"
		}
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return "broken off"
			}
			running <- true
		}
	}
	target, method, body := h.kind, http.MethodGet, io.Reader(nil)
	if h.kind == "upload" { // a body that does not end
		target, method = "wait", http.MethodPost
		in, out := io.Pipe()
		go out.Write([]byte("begun"))
		body = in
	}
	r, err := http.NewRequestWithContext(ctx, method, n.URL()+path+"/"+target, body)
	if err != nil {
		return err.Error()
	}
	r.Header = header
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return "no answer: " + err.Error()
	}
	defer res.Body.Close()
	in := bufio.NewReader(res.Body)
	if res.StatusCode == 200 {
		_, _ = in.ReadByte()
		running <- true
	}
	rest, err := io.ReadAll(in)
	switch {
	case res.StatusCode != 200:
		_, code, _ := strings.Cut(string(rest), `"code":"`)
		code, _, _ = strings.Cut(code, `"`)
		return fmt.Sprint(res.StatusCode, " ", code)
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET):
		return "broken off"
	case err != nil:
		return err.Error()
	}
	return "whole"
}

// expectEnd waits until requests have ended, and checks how, and that it was soon.
func expectEnd(t *testing.T, all []*held, since time.Time, soon time.Duration, still *standstill.Watch, before string) {
	t.Helper()
	for _, h := range all {
		want := "broken off"
		if h.kind == "wait" || h.kind == "upload" {
			want = before
		}
		select {
		case how := <-h.done:
			if how != want {
				t.Errorf("%s ended: %s, want %s", h.kind, how, want)
			}
			if took := h.at.Sub(since); took > soon+still.Lost() {
				t.Errorf("%s ended after %v", h.kind, took)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s still runs", h.kind)
		}
	}
}

var allKinds = []string{"wait", "upload", "stream", "long", "socket"}

func TestExpiryEndsUpgradedConnectionsAndEventStreams(t *testing.T) {
	t.Parallel()
	n, back := stage.StartNode(t, stage.Settings(t.TempDir())), startHolding(t)
	stage.PutRoute(t, n, "held", stage.Route{"pattern": "/held/{rest...}", "target": back.URL()})
	ends := time.Now().Add(8 * time.Second).Truncate(time.Second) // all are to run by then
	token := stage.Token(t, "ann", stage.Claims{"exp": ends.Unix()})
	cut := holdAll(t, n, back, "/held", token, "stream", "socket")
	kept := holdAll(t, n, back, "/held", token, "long", "wait")
	still := standstill.Begin(t)
	expectEnd(t, cut, ends, time.Second, still, "")
	for _, h := range cut {
		if h.at.Before(ends.Add(-50 * time.Millisecond)) {
			t.Errorf("%s ended %v before its token", h.kind, ends.Sub(h.at))
		}
	}
	for _, h := range kept {
		select {
		case how := <-h.done:
			t.Errorf("%s ended with its token: %s", h.kind, how)
		default:
		}
	}
}

func TestANodeThatStopsLetsRequestsEndAndThenEndsThem(t *testing.T) {
	n, back := stage.StartNode(t, stage.Settings(t.TempDir()).With("public.drain_window", "1s")), startHolding(t)
	stage.PutRoute(t, n, "held", stage.Route{"pattern": "/held/{rest...}", "target": back.URL(), "auth": stage.Route{"mode": "none"}})
	all := holdAll(t, n, back, "/held", "", allKinds...)
	begun, still := time.Now(), standstill.Begin(t)
	if code := n.Stop(); code != 0 {
		t.Errorf("the node ended with %d", code)
	}
	expectEnd(t, all, begun, 4*time.Second, still, "503 draining")
	for _, h := range all {
		if took := h.at.Sub(begun); took < 900*time.Millisecond {
			t.Errorf("%s ended after %v, before the window was over", h.kind, took)
		}
	}
}

func TestASlowClientIsLetGoWhenItsRequestIsEnded(t *testing.T) {
	n := stage.StartNode(t, stage.Settings(t.TempDir()))
	endless := stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) {
		for block := make([]byte, 1<<20); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	stage.PutRoute(t, n, "endless", stage.Route{"pattern": "/endless", "target": endless.URL(), "idle_timeout": "1h"})
	for i := range 20 { // which read nothing
		conn := dialPublic(t, n)
		_, _ = fmt.Fprintf(conn, "GET /endless HTTP/1.1\r\nHost: weft\r\nAuthorization: Bearer %s\r\n\r\n", stage.Token(t, "ann", stage.Claims{"jti": fmt.Sprint("slow", i)}))
	}
	endless.Await(20)
	waitfor.True(t, func() bool { return running(t, n) == 20 })
	begun, still := time.Now(), standstill.Begin(t)
	if status, body := admin(t, n, http.MethodPut, "/_weft/v1/blacklist/user.ann", ""); status/100 != 2 {
		t.Fatalf("revoke: %d %s", status, body)
	}
	waitfor.True(t, func() bool { return running(t, n) == 0 })
	if took := time.Since(begun); took > time.Second+still.Lost() {
		t.Errorf("clients that read nothing are let go after %v", took)
	}
}

// running is weft_route_running of the scheme http.
func running(t *testing.T, n *stage.Node) (count int) {
	t.Helper()
	res, err := http.Get(n.AdminURL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	_, after, _ := strings.Cut(string(text), `weft_route_running{scheme="http"} `)
	_, _ = fmt.Sscan(after, &count)
	return count
}

func TestAStrangersRequestThatARouteServesTakesAsLongAsItTakes(t *testing.T) {
	t.Parallel()
	n, back := stage.StartNode(t, stage.Settings(t.TempDir())), startHolding(t)
	stage.PutRoute(t, n, "held", stage.Route{"pattern": "/held/{rest...}", "target": back.URL(), "auth": stage.Route{"mode": "none"}})
	all := holdAll(t, n, back, "/held", "", "stream", "long", "socket")
	over := time.After(17 * time.Second)
	// It is let go after 15 s: only then is it asked as fast as may be.
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	hurry := time.After(13 * time.Second)
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	for asks := 0; ; asks++ { // on one connection as long as it lasts, none of them lost
		select {
		case <-over:
			for _, h := range all {
				select {
				case how := <-h.done:
					t.Errorf("%s of a stranger ended: %s", h.kind, how)
				default:
				}
			}
			return
		case <-hurry:
			pace.Reset(time.Microsecond)
		case <-pace.C:
		}
		res, err := client.Post(n.URL()+"/held/x", "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatalf("request %d: %v", asks, err)
		}
		res.Body.Close()
	}
}

func TestOverHTTP2ARevocationEndsTheStreamAndNotTheConnection(t *testing.T) {
	n, back := stage.StartNode(t, stage.Settings(t.TempDir())), startHolding(t)
	stage.PutRoute(t, n, "held", stage.Route{"pattern": "/held/{rest...}", "target": back.URL()})
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	open := func(session string) (*http.Response, *bufio.Reader) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL()+"/held/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+stage.Token(t, "ann", stage.Claims{"jti": session}))
		res, err := transport.RoundTrip(r)
		if err != nil || res.ProtoMajor != 2 {
			t.Fatalf("%v, %v", res, err)
		}
		t.Cleanup(func() { res.Body.Close() })
		in := bufio.NewReader(res.Body)
		if _, err := in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		return res, in
	}
	_, cut := open("lost")
	_, rest := open("kept")
	if status, body := admin(t, n, http.MethodPut, "/_weft/v1/blacklist/lost", ""); status/100 != 2 {
		t.Fatalf("revoke: %d %s", status, body)
	}
	if text, err := io.ReadAll(cut); err == nil {
		t.Errorf("the stream ended as if it were whole: %q", text)
	}
	ended := make(chan error, 1)
	go func() {
		_, _ = rest.ReadString('\n') // what is left of the event
		_, err := rest.ReadByte()
		ended <- err
	}()
	open("another") // on the same connection
	select {
	case err := <-ended:
		t.Errorf("the stream of another token ended: %v", err)
	default:
	}
}

func TestAConnectionEndsWithAnAnswerThatCameBeforeTheBody(t *testing.T) {
	n := stage.StartNode(t, stage.Settings(t.TempDir()))
	early := stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.EnableFullDuplex()
		w.Header().Set("Content-Length", "5")
		fmt.Fprint(w, "early")
		_ = c.Flush()
		// A handler that left the body to net/http would see it panic now and then, when that
		// finds the body cut after the answer.
		_, _ = io.Copy(io.Discard, r.Body)
	})
	stage.PutRoute(t, n, "early", stage.Route{"pattern": "/early/{rest...}", "target": early.URL()})
	conn := dialPublic(t, n)
	fmt.Fprintf(conn, "POST /early/x HTTP/1.1\r\nHost: weft\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\nbegun", stage.Token(t, "ann", nil))
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if a := routeAnswerOf(t, res); a.status != 200 || a.body != "early" {
		t.Errorf("%d %s", a.status, a.body)
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("what comes next would be taken for a request: %v", err)
	}
}

func TestAnAnswerThatIsCutOverHTTP10IsNotTakenForTheWhole(t *testing.T) {
	n := stage.StartNode(t, stage.Settings(t.TempDir()))
	cutting := stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "a part")
		_ = http.NewResponseController(w).Flush()
		if strings.HasSuffix(r.URL.Path, "/cut") {
			panic(http.ErrAbortHandler)
		}
	})
	stage.PutRoute(t, n, "cutting", stage.Route{"pattern": "/cutting/{rest...}", "target": cutting.URL(), "auth": stage.Route{"mode": "none"}})
	for path, whole := range map[string]bool{"/cutting/cut": false, "/cutting/whole": true} {
		conn := dialPublic(t, n)
		fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: weft\r\n\r\n", path)
		if text, err := io.ReadAll(conn); (err == nil) != whole {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
}
