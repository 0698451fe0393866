package conformance

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"weft/test/client"
	"weft/test/stage"
)

// leaving are what happens to clients when a node goes; each takes nodes of its own.
var leaving = []struct {
	name string
	run  func(t *testing.T)
	says string
}{
	{"a node stops", stops, "end.drain poll.drain"},
	{"a node is cut off", cutOff, "end.isolated end.not_ready"},
}

func TestWhatANodeSaysThatGoes(t *testing.T) {
	t.Parallel()
	for _, row := range leaving {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.run(t)
		})
	}
}

// of are nodes as a place of their own.
func of(nodes ...*stage.Node) *place {
	p := &place{stack: stacks[0], http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	for i := range p.nodes {
		p.nodes[i] = nodes[min(i, len(nodes)-1)]
	}
	return p
}

func stops(t *testing.T) {
	config := stage.Settings(t.TempDir())
	for key, value := range settings(t, "polled") {
		config.With(key, value)
	}
	p := of(stage.StartNode(t, config))
	token := tokenOf(t, fresh("ann"), nil)
	stream, socket := p.visit(t, client.SSE, token), p.visit(t, client.WebSocket, token)
	stream.begun()
	socket.begun()
	id := p.poll(t, token).LastEventID
	polled := make(chan answered, 1)
	go func() { polled <- p.poll(t, token, "wait", "60s", "last_event_id", id) }()
	for deadline := time.Now().Add(time.Minute); ; {
		_, text := p.inquire(t, 0, inquiry{http.MethodGet, p.nodes[0].AdminURL() + "/_weft/v1/users?prefix=ann", nil, nil})
		if strings.Contains(string(text), `"connections":3`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the poll does not wait: %s", text)
		}
	}
	if answer, text := p.inquire(t, 0, inquiry{http.MethodPost, p.nodes[0].AdminURL() + "/_weft/v1/drain", nil, nil}); answer.StatusCode >= 300 {
		t.Fatalf("answered %s %s", answer.Status, text)
	}
	for _, v := range []*visitor{stream, socket} {
		ends(t, v, ended{reason: "drain", reconnect: true, retry: true, code: 1012}, 0, "")
	}
	if got := <-polled; len(got.Events) > 0 || got.Close != nil {
		t.Errorf("the poll is answered %+v", got)
	}
}

func cutOff(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	keys := settings(t, "polled")
	keys["cluster.isolated_for"] = "5s"
	nodes := stage.StartCluster(t, ctx, keys)
	p := of(nodes[0])
	token := tokenOf(t, fresh("ann"), nil)
	var all []*visitor
	for _, kind := range client.Transports {
		v := p.visit(t, kind, token, "wait", "60s")
		v.begun()
		all = append(all, v)
	}
	nodes[1].Kill()
	nodes[2].Kill()
	for _, v := range all {
		ends(t, v, ended{reason: "isolated", reconnect: true, retry: true, code: 1012}, 503, "not_ready")
	}
	for _, kind := range []client.Transport{client.SSE, client.WebSocket} {
		ends(t, p.visit(t, kind, token), ended{reason: "not_ready", reconnect: true, retry: true, code: 1012}, 0, "")
	}
	answer, text := p.ask(t, client.Poll, bearer(token), "")
	if answer.StatusCode != http.StatusServiceUnavailable || problemOf(text).Code != "not_ready" || answer.Header.Get("Retry-After") == "" {
		t.Errorf("answered %s %v %s", answer.Status, answer.Header, text)
	}
}
