package conformance

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/client"
	"weft/test/stage"
)

// The clients follow a node over each transport, with tokens of some seconds, are sent away by
// an operator, and lose the node to a kill: each hands on every event, once and in order.
func TestClientsMissNothingOfANodeThatDies(t *testing.T) {
	t.Parallel()
	config := stage.Settings(t.TempDir())
	for key, value := range settings(t, "polled") {
		config.With(key, value)
	}
	config.With("events.max_per_subject", 1000).With("auth.warn_before", "1s")
	node := stage.StartNode(t, config)
	p := of(node)
	var mu sync.Mutex
	given := map[string]int{}
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := strings.TrimPrefix(r.URL.Path, "/")
		mu.Lock()
		given[user]++
		mu.Unlock()
		_, _ = io.WriteString(w, tokenOf(t, user, stage.Claims{"exp": time.Now().Add(6 * time.Second).Unix()}))
	}))
	t.Cleanup(tokens.Close)

	topic := hall(fresh("long"))
	followers := map[string]*driven{}
	for _, c := range writtens(t) {
		for _, kind := range client.Transports {
			user := fresh(c.name)
			followers[user] = c.drive(t, node.URL(), kind, tokens.URL+"/"+user, topic, "presence."+topic)
		}
	}
	waitfor.True(t, func() bool { // all are there: a poll's first answer is the beginning, too
		for _, d := range followers {
			if len(d.told("weft.presence")) == 0 {
				return false
			}
		}
		return true
	})
	n := 0
	publish := func(many int) {
		for range many {
			n++
			p.note(t, topic, "", fmt.Sprint(n))
		}
	}
	publish(50)
	for user := range followers {
		p.operate(t, user, "reconnect=true")
	}
	publish(50)
	node.Kill()
	node.Start()
	publish(50)
	waitfor.True(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		for user := range followers {
			if given[user] < 2 {
				return false
			}
		}
		return true
	})
	publish(50)
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint(i+1))
	}
	for user, d := range followers {
		waitfor.True(t, func() bool { return len(d.told("event")) >= n })
		if got := d.numbers(); got != strings.Join(want, " ") {
			t.Errorf("%s hands on %s", user, got)
		}
		if len(d.told("weft.reset")) > 0 || len(d.told("closed")) > 0 {
			t.Errorf("%s tells %v", user, d.told(""))
		}
	}
}
