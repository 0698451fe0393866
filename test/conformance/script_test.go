package conformance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"weft/config/testkit/waitfor"
	"weft/test/client"
)

// An asked is what a client has asked a scripted node for.
type asked struct {
	at        time.Time
	id, token string
}

// A script is a node that says what a test wants it to, over one transport. A connection ends
// after its last step; of polls each is a connection, and what is to be sent is its answer.
type script struct {
	t    *testing.T
	kind client.Transport
	// steps are those of the connection of a number, from 0 on.
	steps func(n int, a asked) []step

	mu       sync.Mutex
	asked    []asked
	commands []frame
	keys     []string // of what was published
	pongs    int
	tokens   int // that were asked for
	url      string
}

// A step is one of these.
type step struct {
	frame  frame         // is sent
	raw    string        // bytes of SSE, each by itself
	status int           // is answered in the place of 200
	code   string        // of the problem; without one it is a page of HTML
	after  string        // Retry-After
	wait   time.Duration // before what follows
	ping   bool          // of a WebSocket
	stay   bool          // until the client leaves, or the test ends
}

func (s *script) start() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+events, s.serve)
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, _ = fmt.Fprintf(w, "token%d", s.tokens)
		s.tokens++
	})
	mux.HandleFunc("PATCH /_weft/v1/connections/{connection}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.obey(body)
		_, _ = io.WriteString(w, `{"subjects":[]}`)
	})
	mux.HandleFunc("POST "+events, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.keys = append(s.keys, r.Header.Get("Idempotency-Key"))
		first := len(s.keys) == 1
		s.mu.Unlock()
		if first {
			refuse(w, step{status: 503, code: "store_unavailable", after: "1"})
			return
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"ids":["e-published"]}`)
	})
	server := httptest.NewServer(mux)
	s.t.Cleanup(server.Close)
	s.t.Cleanup(server.CloseClientConnections)
	s.url = server.URL
}

func refuse(w http.ResponseWriter, x step) {
	if x.code == "" {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(x.status)
		_, _ = io.WriteString(w, "<h1>No</h1>")
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	if x.after != "" {
		w.Header().Set("Retry-After", x.after)
	}
	w.WriteHeader(x.status)
	_, _ = fmt.Fprintf(w, `{"title":"no","status":%d,"detail":"no","code":"%s"}`, x.status, x.code)
}

func (s *script) obey(command []byte) {
	var c frame
	if err := json.Unmarshal(command, &c); err != nil {
		s.t.Errorf("a command is %s", command)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands = append(s.commands, c)
}

// seen is what has come until now.
func (s *script) seen() (asked []asked, commands []frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[:len(s.asked):len(s.asked)], s.commands[:len(s.commands):len(s.commands)]
}

// awaitAsked waits for the connection of a number.
func (s *script) awaitAsked(n int) asked {
	s.t.Helper()
	waitfor.True(s.t, func() bool {
		all, _ := s.seen()
		return len(all) > n
	})
	all, _ := s.seen()
	return all[n]
}

func (s *script) serve(w http.ResponseWriter, r *http.Request) {
	a := asked{time.Now(), r.URL.Query().Get("last_event_id"), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}
	for _, offer := range websocket.Subprotocols(r) {
		if token, ok := strings.CutPrefix(offer, "bearer."); ok {
			a.token = token
		}
	}
	s.mu.Lock()
	n := len(s.asked)
	s.asked = append(s.asked, a)
	s.mu.Unlock()
	steps := s.steps(n, a)
	if len(steps) > 0 && steps[0].status != 0 {
		refuse(w, steps[0])
		return
	}
	switch s.kind {
	case client.SSE:
		s.stream(w, r, steps)
	case client.WebSocket:
		s.converse(w, r, steps)
	default:
		s.answer(w, r, a, steps)
	}
}

// block is a frame as SSE has it; the retry of weft.close is a line of its own there.
func block(f frame) (text string) {
	if about, _ := f["data"].(frame); about["retry"] != nil {
		text = fmt.Sprintf("retry: %v\n", about["retry"])
	}
	if f["id"] != nil {
		text += fmt.Sprintf("id: %v\n", f["id"])
	}
	return text + "data: " + mustJSON(f) + "\n\n"
}

// pause waits for so long, unless the client leaves.
func pause(d time.Duration, gone <-chan struct{}) {
	select {
	case <-time.After(d):
	case <-gone:
	}
}

func (s *script) stream(w http.ResponseWriter, r *http.Request, steps []step) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	_ = out.Flush()
	for _, x := range steps {
		pause(x.wait, r.Context().Done())
		switch {
		case x.frame != nil:
			_, _ = io.WriteString(w, block(x.frame))
		case x.stay:
			<-r.Context().Done()
		}
		for i := range len(x.raw) {
			_, _ = io.WriteString(w, x.raw[i:i+1])
			_ = out.Flush()
		}
		_ = out.Flush()
	}
}

func (s *script) converse(w http.ResponseWriter, r *http.Request, steps []step) {
	up := websocket.Upgrader{Subprotocols: []string{"weft.v1"}, CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return // it has left, or asks for no WebSocket, and the test will wait in vain
	}
	defer func() { _ = conn.Close() }()
	gone := make(chan struct{})
	conn.SetPongHandler(func(string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pongs++
		return nil
	})
	go func() {
		defer close(gone)
		for {
			_, text, err := conn.ReadMessage()
			if err != nil {
				return
			}
			s.obey(text)
		}
	}()
	for _, x := range steps {
		pause(x.wait, gone)
		switch {
		case x.frame != nil:
			_ = conn.WriteMessage(websocket.TextMessage, []byte(mustJSON(x.frame)))
		case x.ping:
			_ = conn.WriteControl(websocket.PingMessage, []byte("?"), time.Now().Add(time.Minute))
		case x.stay:
			<-gone
		}
	}
}

// answer answers a poll with all frames at once.
func (s *script) answer(w http.ResponseWriter, r *http.Request, a asked, steps []step) {
	body := frame{"reset": false}
	list, id := []any{}, cmp.Or(a.id, "c0")
	for _, x := range steps {
		pause(x.wait, r.Context().Done())
		if x.stay {
			<-r.Context().Done()
		}
		f := x.frame
		if next, ok := f["id"].(string); ok {
			id = next
		}
		switch {
		case f["subject"] != nil:
			list = append(list, f)
		case f["type"] == "weft.reset":
			body["reset"], body["resets"] = true, []any{f["data"]}
		case f["type"] == "weft.tomorrow":
			body["tomorrow"] = f["data"]
		}
	}
	body["events"], body["last_event_id"] = list, id
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, mustJSON(body))
}
