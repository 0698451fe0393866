package crowd

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// A speaker sends each of its followers what it is told to, then ends or waits.
type speaker struct {
	say    []string
	end    bool
	closed chan struct{}
	mu     sync.Mutex
	heard  map[string]bool // tokens
}

func (s *speaker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.heard[r.Header.Get("Authorization")+" "+r.URL.Query().Get("user")] = true
	s.mu.Unlock()
	send := func(text string) error {
		if _, err := fmt.Fprintf(w, "data: %s\n\n", text); err != nil {
			return err
		}
		return http.NewResponseController(w).Flush()
	}
	if websocket.IsWebSocketUpgrade(r) {
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		send = func(text string) error { return conn.WriteMessage(websocket.TextMessage, []byte(text)) }
	}
	for _, text := range s.say {
		if send(text) != nil {
			return
		}
	}
	if !s.end {
		<-s.closed
	}
}

// speak serves what is said, over TLS (and HTTP/2) if asked.
func speak(t *testing.T, s *speaker, secure bool) Target {
	t.Helper()
	s.closed, s.heard = make(chan struct{}), map[string]bool{}
	server := httptest.NewUnstartedServer(s)
	target := Target{Header: []string{"Authorization: Bearer {token}"}, Token: func(user string) string { return "for-" + user }}
	if secure {
		server.EnableHTTP2 = true
		server.StartTLS()
		target.TLS = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		target.TLS.NextProtos = nil
	} else {
		server.Start()
	}
	target.URL = server.URL + "/?user={user}"
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(s.closed) }) // before the server waits for its handlers
	return target
}

func webSocketOf(target Target) Target {
	target.URL = "ws" + strings.TrimPrefix(target.URL, "http")
	return target
}

// Number 3 is not said, and 5 has not come.
func TestCrowdsHearWhatIsSaidOverEveryProtocol(t *testing.T) {
	say := []string{"ready", string(Mark{Number: 1}.Payload(nil, 128)), string(Mark{Number: 2}.Payload(nil, 128)), string(Mark{Number: 4}.Payload(nil, 128))}
	for name, transform := range map[string]struct {
		secure bool
		target func(Target) Target
	}{
		"SSE":                {false, func(t Target) Target { return t }},
		"WebSocket":          {false, webSocketOf},
		"SSE, TLS":           {true, func(t Target) Target { return t }},
		"WebSocket, TLS":     {true, webSocketOf},
		"SSE, HTTP/2 on TLS": {true, func(t Target) Target { t.HTTP2 = true; return t }},
	} {
		t.Run(name, func(t *testing.T) {
			s := &speaker{say: say}
			target := transform.target(speak(t, s, transform.secure))
			c, err := New(Config{Target: target, Ready: "ready", Workers: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			for _, n := range []int{3, 9} {
				if err := c.Grow(ctx, n); err != nil {
					t.Fatal(err)
				}
			}
			for c.Delivered() < 27 {
				select {
				case <-c.Changed():
				case <-ctx.Done():
					t.Fatalf("%d of 27 events were delivered", c.Delivered())
				}
			}
			r := c.Report(func(uint32) uint32 { return 5 })
			if r.Lost != 2*9 || r.Doubled+r.Overtaken+r.Stray+r.Dropped != 0 || c.Arrived(4) != 9 {
				t.Errorf("lost %d of 18, doubled %d, overtaken %d, stray %d, dropped %d", r.Lost, r.Doubled, r.Overtaken, r.Stray, r.Dropped)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if !s.heard["Bearer for-u8 u8"] || len(s.heard) != 9 {
				t.Errorf("the server was asked with %v", s.heard)
			}
		})
	}
}

func TestHostsAreAskedInTurn(t *testing.T) {
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			speakers := []*speaker{{say: []string{"ready"}}, {say: []string{"ready"}}, {say: []string{"ready"}}}
			var target Target
			var hosts []string
			for _, s := range speakers {
				target = speak(t, s, secure)
				hosts = append(hosts, target.host(0))
			}
			target.Hosts = hosts
			c, err := New(Config{Target: target, Ready: "ready", Workers: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Grow(t.Context(), 8); err != nil {
				t.Fatal(err)
			}
			for i, s := range speakers {
				s.mu.Lock()
				for n := range 8 {
					if user := fmt.Sprintf("u%d", n); s.heard["Bearer for-"+user+" "+user] != (n%3 == i) {
						t.Errorf("host %d was asked with %v", i, s.heard)
					}
				}
				s.mu.Unlock()
			}
		})
	}
}

func TestAConnectionThatEndsIsDropped(t *testing.T) {
	for name, of := range map[string]func(Target) Target{
		"SSE": func(t Target) Target { return t }, "WebSocket": webSocketOf,
	} {
		for _, secure := range []bool{false, true} {
			c, err := New(Config{Target: of(speak(t, &speaker{say: []string{"ready"}, end: true}, secure)), Ready: "ready"})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			_ = c.Grow(ctx, 3) // may see the end already
			for c.Report(func(uint32) uint32 { return 0 }).Dropped < 3 && ctx.Err() == nil {
				select {
				case <-c.Changed():
				case <-ctx.Done():
				}
			}
			if ctx.Err() != nil {
				t.Errorf("%s, TLS %v: not all were counted as dropped", name, secure)
			}
			cancel()
			c.Close()
			c.Close()
		}
	}
}

func TestACrowdThatNobodyAnswersFails(t *testing.T) {
	c, err := New(Config{Target: Target{URL: "http://127.0.0.1:1/"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Grow(t.Context(), 2); err == nil {
		t.Error("subscribers were ready at a port where nobody listens")
	}
}
