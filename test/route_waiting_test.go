package test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"weft/test/stage"
)

// A queue is a back end that takes requests with 202, to be answered later: it hands on
// what came and under which correlation.
type queue chan queued

type queued struct{ body, correlation string }

func (q queue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Queue", "never shown")
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write([]byte(`{"queued":true}`))
	q <- queued{string(body), r.Header.Get("Weft-Correlation")}
}

// take takes n requests off the queue.
func (q queue) take(t testing.TB, n int) []queued {
	t.Helper()
	all := make([]queued, 0, n)
	limit := time.After(60 * time.Second)
	for len(all) < n {
		select {
		case one := <-q:
			all = append(all, one)
		case <-limit:
			t.Fatalf("%d of %d requests have come", len(all), n)
		}
	}
	return all
}

// A waitingClient is a request that waits.
type waitingClient struct {
	body   string
	status int
	header http.Header
	text   string
	err    error
	done   chan struct{}
}

// send sends a request and does not wait.
func send(ctx context.Context, n *stage.Node, path, body string) *waitingClient {
	c := &waitingClient{body: body, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		req, err := http.NewRequestWithContext(ctx, "POST", n.URL()+path, strings.NewReader(body))
		if err != nil {
			c.err = err
			return
		}
		res, err := waitingClients.Do(req)
		if err != nil {
			c.err = err
			return
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		c.status, c.header, c.text, c.err = res.StatusCode, res.Header, string(text), err
	}()
	return c
}

// waitingClients keep no connections: a node closes those on which a stranger says nothing
// for a while, and a POST that meets that is lost.
var waitingClients = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func (c *waitingClient) wait(t testing.TB) *waitingClient {
	t.Helper()
	select {
	case <-c.done:
	case <-time.After(90 * time.Second):
		t.Fatalf("%q is not answered", c.body)
	}
	return c
}

// answerLater answers a request by HTTP at a node; header are names and values by turns.
func answerLater(t testing.TB, n *stage.Node, correlation, body string, header ...string) (status int, code string) {
	req, err := http.NewRequest("POST", n.AdminURL()+"/_weft/v1/replies/"+correlation, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header[header[i]] = append(req.Header[header[i]], header[i+1]) // in the case that it has
	}
	res, err := waitingClients.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer res.Body.Close()
	var p struct{ Code string }
	_ = json.NewDecoder(res.Body).Decode(&p)
	return res.StatusCode, p.Code
}

// forged is a correlation of a process that there is not.
func forged() string { return "AAAAAAAA." + strings.Repeat("B", 22) }
