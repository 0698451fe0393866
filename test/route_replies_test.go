package test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/test/stage"
)

// Answers reach their requests, whichever node is told, and however often. The second node
// is none of the cluster any more after that.
func answersThatComeLaterReachTheirRequests(t *testing.T, nodes []*stage.Node) {
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Minute)
	defer cancel()
	eventually(t, 30*time.Second, "all nodes answer each other", func() bool { return operate(t, nodes[0], "GET", "nodes").Complete })
	q := make(queue, 2000)
	back := stage.StartBackend(t, q.ServeHTTP)
	route := func(timeout string) stage.Route {
		return stage.Route{"pattern": "POST /later/" + timeout, "target": back.URL(), "auth": stage.Route{"mode": "none"}, "reply": stage.Route{"timeout": timeout}}
	}
	stage.PutRoute(t, nodes[0], "later", route("1m"), nodes...)
	stage.PutRoute(t, nodes[0], "short", route("2s"), nodes...)
	nobodyWaits := func(t *testing.T, nodes ...*stage.Node) {
		t.Helper()
		for _, n := range nodes {
			eventually(t, 20*time.Second, "no place is left over", func() bool { return metric(t, n, `weft_route_replies_waiting`) == 0 })
		}
	}
	var connections []*nats.Conn
	for _, n := range nodes {
		connections = append(connections, n.NATS())
	}

	replies := func(outcome string) (sum float64) {
		for _, n := range nodes {
			sum += metric(t, n, `weft_route_replies_total\{outcome="`+outcome+`"\}`)
		}
		return sum
	}

	t.Run("1,000 at once, shuffled, doubled and forged", func(t *testing.T) {
		const many = 1000
		before := replies("delivered")
		var clients []*waitingClient
		for i := range many {
			clients = append(clients, send(ctx, nodes[i%3], "/later/1m", fmt.Sprint("request ", i)))
		}
		waiting := q.take(t, many)
		rand.Shuffle(many, func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
		var delivered, refused atomic.Int32
		work := make(chan func(), 3*many)
		for i, one := range waiting {
			answer := "answer to " + one.body
			for k := range 2 { // doubled, at different nodes, by different ways
				work <- func() {
					ok := false
					if (i+k)%2 == 0 {
						status, code := answerLater(t, nodes[rand.N(3)], one.correlation, answer, "weft-status", "201", "Weft-Header-X-Of", one.body)
						if ok = status == 204; !ok && (status != 404 || code != "not_found") {
							t.Errorf("POST: %d %s", status, code)
						}
					} else {
						m, err := connections[rand.N(3)].RequestMsg(&nats.Msg{Subject: "reply." + one.correlation, Data: []byte(answer),
							Header: nats.Header{"WEFT-status": {"201"}, "weft-header-x-of": {one.body}}}, 20*time.Second)
						if err != nil {
							t.Error(err)
							return
						}
						if ok = string(m.Data) == "+OK"; !ok && string(m.Data) != "-ERR not_found" {
							t.Errorf("NATS: %s", m.Data)
						}
					}
					if ok {
						delivered.Add(1)
					} else {
						refused.Add(1)
					}
				}
			}
			work <- func() {
				instance, random, _ := strings.Cut(one.correlation, ".")
				for _, c := range []string{instance + "." + strings.Repeat("C", len(random)), strings.Repeat("C", len(instance)) + "." + random} {
					if status, code := answerLater(t, nodes[rand.N(3)], c, "forged"); status != 404 || code != "not_found" {
						t.Errorf("forged %s: %d %s", c, status, code)
					}
				}
			}
		}
		close(work)
		var workers sync.WaitGroup
		for range 32 {
			workers.Go(func() {
				for do := range work {
					do()
				}
			})
		}
		workers.Wait()
		mixedUp, lost := 0, 0
		for _, c := range clients {
			c.wait(t)
			switch {
			case c.err != nil || c.status != 201:
				lost++
				t.Logf("%s: %d %s %v", c.body, c.status, c.text, c.err)
			case c.text != "answer to "+c.body || c.header.Get("X-Of") != c.body || c.header.Get("X-Queue") != "":
				mixedUp++
			}
		}
		if mixedUp != 0 || lost != 0 || delivered.Load() != many || refused.Load() != many {
			t.Errorf("%d mixed up, %d lost; %d delivered, %d refused", mixedUp, lost, delivered.Load(), refused.Load())
		}
		nobodyWaits(t, nodes...)
		eventually(t, 20*time.Second, "all are counted as delivered", func() bool { return replies("delivered")-before == many })
	})

	t.Run("an answer is as its headers say, in any case", func(t *testing.T) {
		for _, c := range []struct {
			body   string
			header []string
			status int
			want   map[string]string
		}{
			{`{"a":1}`, nil, 200, map[string]string{"Content-Type": "application/json"}},
			{"\x00\xff", nil, 200, map[string]string{"Content-Type": "application/octet-stream"}},
			{"<b>", []string{"WEFT-STATUS", "404", "content-TYPE", "text/html", "weft-header-LOCATION", "/x", "weft-header-Connection", "close", "Weft-Header-Weft-User", "eve"}, 404,
				map[string]string{"Content-Type": "text/html", "Location": "/x", "Weft-User": "", "Connection": ""}},
			{"", []string{"weft-status", "204"}, 204, map[string]string{}},
			{strings.Repeat("x", 1<<20), []string{"weft-status", "599"}, 599, map[string]string{"Content-Length": fmt.Sprint(1 << 20)}},
		} {
			client := send(ctx, nodes[0], "/later/1m", "x")
			one := q.take(t, 1)[0]
			if status, code := answerLater(t, nodes[1], one.correlation, c.body, c.header...); status != 204 {
				t.Errorf("%v: %d %s", c.header, status, code)
			}
			if client.wait(t); client.status != c.status || client.text != c.body {
				t.Errorf("%v: %d %.100q %v", c.header, client.status, client.text, client.err)
			}
			for name, value := range c.want {
				if client.header.Get(name) != value {
					t.Errorf("%v: %s: %q", c.header, name, client.header.Get(name))
				}
			}
		}
	})

	t.Run("a bad one is told to who sends it, and the request waits on", func(t *testing.T) {
		client := send(ctx, nodes[0], "/later/1m", "x")
		one := q.take(t, 1)[0]
		if status, code := answerLater(t, nodes[1], one.correlation, "x", "weft-status", "99"); status != 400 || code != "bad_request" {
			t.Errorf("a bad status: %d %s", status, code)
		}
		if status, code := answerLater(t, nodes[0], one.correlation, strings.Repeat("x", 1<<20+1)); status != 413 || code != "too_large" {
			t.Errorf("a body that is too long: %d %s", status, code)
		}
		m, err := connections[2].RequestMsg(&nats.Msg{Subject: "reply." + one.correlation, Header: nats.Header{"weft-status": {"two"}}}, 20*time.Second)
		if err != nil || !bytes.HasPrefix(m.Data, []byte("-ERR bad_request")) {
			t.Errorf("%v, %v", m, err)
		}
		for _, c := range []string{forged(), "x", "a.b", one.correlation + "x", "..%2f..", "%00"} {
			if status, code := answerLater(t, nodes[1], c, "x"); status != 404 || code != "not_found" {
				t.Errorf("%q: %d %s", c, status, code)
			}
		}
		if status, _ := answerLater(t, nodes[2], one.correlation, "good"); status != 204 {
			t.Errorf("a good one: %d", status)
		}
		if client.wait(t); client.status != 200 || client.text != "good" {
			t.Errorf("%d %s %v", client.status, client.text, client.err)
		}
	})

	t.Run("an answer that overtakes the 202 waits for it", func(t *testing.T) {
		overtaken := stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) {
			if status, code := answerLater(t, nodes[1], r.Header.Get("Weft-Correlation"), "first"); status != 204 {
				t.Errorf("%d %s", status, code)
			}
			status := http.StatusAccepted
			if r.URL.Query().Has("refuse") {
				status = http.StatusConflict
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte("second"))
		})
		stage.PutRoute(t, nodes[0], "overtaken", stage.Route{"pattern": "POST /overtaken", "target": overtaken.URL(), "auth": stage.Route{"mode": "none"}, "reply": stage.Route{}}, nodes...)
		if c := send(ctx, nodes[0], "/overtaken", "x").wait(t); c.status != 200 || c.text != "first" {
			t.Errorf("%d %s %v", c.status, c.text, c.err)
		}
		if c := send(ctx, nodes[0], "/overtaken?refuse", "x").wait(t); c.status != 409 || c.text != "second" {
			t.Errorf("another status is the answer: %d %s %v", c.status, c.text, c.err)
		}
	})

	t.Run("waiting is not idling", func(t *testing.T) {
		patient := route("1m")
		patient["pattern"], patient["idle_timeout"] = "POST /patient", "1s"
		stage.PutRoute(t, nodes[0], "patient", patient, nodes...)
		client := send(ctx, nodes[0], "/patient", "x")
		one := q.take(t, 1)[0]
		select {
		case <-client.done:
			t.Fatalf("it is answered %d %s %v", client.status, client.text, client.err)
		case <-time.After(2500 * time.Millisecond):
		}
		if status, code := answerLater(t, nodes[1], one.correlation, "at last"); status != 204 {
			t.Errorf("%d %s", status, code)
		}
		if client.wait(t); client.status != 200 || client.text != "at last" {
			t.Errorf("%d %s %v", client.status, client.text, client.err)
		}
	})

	t.Run("late is 504, and then nobody waits", func(t *testing.T) {
		before := replies("late")
		c := send(ctx, nodes[0], "/later/2s", "x").wait(t)
		if c.status != 504 || !strings.Contains(c.text, `"upstream_timeout"`) {
			t.Errorf("%d %s %v", c.status, c.text, c.err)
		}
		one := q.take(t, 1)[0]
		if status, code := answerLater(t, nodes[1], one.correlation, "x"); status != 404 || code != "not_found" {
			t.Errorf("%d %s", status, code)
		}
		eventually(t, 20*time.Second, "one is counted as late", func() bool { return replies("late")-before == 1 })
	})

	t.Run("a client that goes leaves no place", func(t *testing.T) {
		gone, leave := context.WithCancel(ctx)
		c := send(gone, nodes[0], "/later/1m", "x")
		one := q.take(t, 1)[0]
		eventually(t, 20*time.Second, "it alone waits", func() bool { return metric(t, nodes[0], `weft_route_replies_waiting`) == 1 })
		leave()
		c.wait(t)
		nobodyWaits(t, nodes[0])
		if status, _ := answerLater(t, nodes[1], one.correlation, "x"); status != 404 {
			t.Errorf("%d", status)
		}
	})

	t.Run("a killed node costs its own requests only", func(t *testing.T) {
		const many = 90
		var clients []*waitingClient
		for i := range many {
			clients = append(clients, send(ctx, nodes[i%3], "/later/1m", fmt.Sprint(i)))
		}
		waiting := q.take(t, many)
		nodes[2].Kill()
		lostOnes := map[string]bool{}
		for i := 2; i < many; i += 3 {
			lostOnes[fmt.Sprint(i)] = true
			if c := clients[i].wait(t); c.err == nil {
				t.Errorf("a client of the killed node is answered %d %s", c.status, c.text)
			}
		}
		var ofKilled string
		for i, one := range waiting {
			if lostOnes[one.body] {
				ofKilled = one.correlation
				continue
			}
			if status, code := answerLater(t, nodes[i%2], one.correlation, "answer to "+one.body); status != 204 {
				t.Errorf("%s: %d %s", one.body, status, code)
			}
		}
		for i, c := range clients {
			if c.wait(t); i%3 != 2 && (c.status != 200 || c.text != "answer to "+c.body) {
				t.Errorf("%s: %d %s %v", c.body, c.status, c.text, c.err)
			}
		}
		for _, c := range []string{ofKilled, forged()} {
			if status, code := answerLater(t, nodes[0], c, "x"); status != 503 || code != "not_ready" {
				t.Errorf("while a node does not answer: %d %s", status, code)
			}
		}
		nodes[2].Start()
		eventually(t, 60*time.Second, "old correlations are nobody's after a restart", func() bool {
			status, _ := answerLater(t, nodes[0], ofKilled, "x")
			return status == 404
		})
		client := send(ctx, nodes[2], "/later/1m", "new")
		one := q.take(t, 1)[0]
		if status, code := answerLater(t, nodes[0], one.correlation, "fresh"); status != 204 {
			t.Errorf("to the new process: %d %s", status, code)
		}
		if client.wait(t); client.text != "fresh" {
			t.Errorf("%d %s %v", client.status, client.text, client.err)
		}
		nobodyWaits(t, nodes...)
	})

	t.Run("a node that stops waits a while, and then says so", func(t *testing.T) {
		client := send(ctx, nodes[1], "/later/1m", "x")
		one := q.take(t, 1)[0]
		if code := nodes[1].Stop(); code != 0 {
			t.Errorf("it ends with %d", code)
		}
		if client.wait(t); client.status != 503 || !strings.Contains(client.text, `"draining"`) {
			t.Errorf("%d %s %v", client.status, client.text, client.err)
		}
		if status, code := answerLater(t, nodes[0], one.correlation, "x"); status != 503 || code != "not_ready" {
			t.Errorf("while it is a member: %d %s", status, code)
		}
		eventually(t, 60*time.Second, "it is removed", func() bool {
			status, _ := admin(t, nodes[0], "DELETE", "/_weft/v1/nodes/n2", "")
			return status == 204 || status == 404
		})
		eventually(t, 60*time.Second, "nobody is asked any more", func() bool {
			status, _ := answerLater(t, nodes[0], one.correlation, "x")
			return status == 404
		})
	})
}
