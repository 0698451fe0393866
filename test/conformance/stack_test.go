package conformance

import (
	"context"
	"crypto/tls"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/test/client"
	"weft/test/stage"
)

// A stack is a way in which nodes serve connections, and clients make them.
type stack struct {
	name     string
	settings string // of which of the sets below the nodes are
	secure   bool
	http2    bool
	kinds    []client.Transport
}

// WebSocket has no form over HTTP/2 here: browsers fall back to HTTP/1.1, as "TLS" does.
var stacks = []stack{
	{"polled", "polled", false, false, client.Transports},
	{"goroutine", "goroutine", false, false, client.Transports},
	{"TLS", "TLS", true, false, client.Transports},
	{"HTTP2", "TLS", true, true, []client.Transport{client.SSE, client.Poll}},
}

// settings are the keys that nodes of a set have besides.
func settings(t *testing.T, set string) map[string]any {
	keys := map[string]any{
		"public.keepalive":       "1s",
		"events.max_per_subject": 50,
		"auth.subscribe":         []string{"user.{/inbox}", "topic.of.{/also}"},
		"auth.allow":             []string{"topic.room.{/rooms}", "topic.hall.*", "presence.topic.hall.*", "presence.{/friends}"},
		"auth.publish":           []string{"topic.hall.*"},
		"auth.anonymous.allow":   []string{"topic.lobby.*", "presence.topic.lobby.*"},
		"auth.warn_before":       "30s",
	}
	switch set {
	case "goroutine":
		keys["tuning.own_http"] = false
	case "strict":
		delete(keys, "auth.anonymous.allow")
		keys["public.limits.per_user"] = 2
	case "TLS":
		cert, key, _ := stage.Certificate(t)
		keys["public.tls.cert"], keys["public.tls.key"] = cert, key
	}
	return keys
}

// A place is where a row is played: nodes on which one follows, publishes and changes.
// They are one node, or three of a cluster.
type place struct {
	stack
	nodes [3]*stage.Node
	http  *http.Client
}

const (
	following = iota
	publishing
	changing
)

// farms starts the nodes of each set once, alone or three together.
type farms struct {
	t  *testing.T // that they end with
	mu sync.Mutex
	at map[string]*farm
}

type farm struct {
	start sync.Once
	nodes []*stage.Node
}

// play starts what a row needs, or takes what is there.
func (f *farms) play(t *testing.T, s stack, size int) *place {
	t.Helper()
	name := s.settings + " " + string('0'+rune(size))
	f.mu.Lock()
	own := f.at[name]
	if own == nil {
		own = &farm{}
		f.at[name] = own
	}
	f.mu.Unlock()
	own.start.Do(func() {
		keys := settings(f.t, s.settings)
		if size == 1 {
			config := stage.Settings(f.t.TempDir())
			for k, v := range keys {
				config.With(k, v)
			}
			own.nodes = []*stage.Node{stage.StartNode(f.t, config)}
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		own.nodes = stage.StartCluster(f.t, ctx, keys)
	})
	if len(own.nodes) != size {
		t.Fatal("the nodes did not start")
	}
	p := &place{stack: s}
	for i := range p.nodes {
		p.nodes[i] = own.nodes[i%size]
	}
	p.http = &http.Client{Transport: &http.Transport{DisableKeepAlives: !s.http2, ForceAttemptHTTP2: s.http2, TLSClientConfig: p.trust()}}
	t.Cleanup(p.http.CloseIdleConnections)
	return p
}

// trust takes any certificate: whose it is, is no matter here.
func (p *place) trust() *tls.Config {
	c := &tls.Config{InsecureSkipVerify: true}
	if !p.http2 {
		c.NextProtos = []string{"http/1.1"}
	}
	return c
}

// url is an address at the public listener of one of the nodes.
func (p *place) url(node int, path string) string {
	origin := p.nodes[node].URL()
	if p.secure {
		origin = strings.Replace(origin, "http:", "https:", 1)
	}
	return origin + path
}
