package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/test/stage"
)

// serviceUsers are who is on the NATS port of each node of the cluster.
var serviceUsers = []any{
	map[string]any{"name": "orders", "password": "pw", "role": "service"},
	map[string]any{"name": "ops", "password": "pw", "role": "operator"},
}

func serviceAt(t testing.TB, n *stage.Node) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect("nats://"+n.NATSAddress(), nats.UserInfo("orders", "pw"), nats.CustomInboxPrefix("_INBOX_orders"),
		nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond), nats.Timeout(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func TestAServiceAtOneNodeAnswersRequestsOfAllNodes(t *testing.T) {
	t.Parallel()
	ctx := within(t, 5*time.Minute)
	nodes := stage.StartCluster(t, ctx, map[string]any{"node.users": serviceUsers})
	stage.PutRoute(t, nodes[0], "orders", anyone("/orders/{id}", "nats://svc.orders.{id}", "timeout", "5s"), nodes...)
	held := make(chan string, 10)
	serveAs := func(n int) *nats.Conn {
		nc := serviceAt(t, nodes[n])
		serveNATS(t, nc, "svc.orders.*", func(m *nats.Msg) {
			if strings.HasSuffix(m.Subject, ".held") {
				held <- m.Subject
				return
			}
			_ = m.Respond(fmt.Appendf(nil, "from %d", n+1))
		})
		return nc
	}
	third := serveAs(2)
	for _, n := range nodes {
		eventually(t, 40*time.Second, "the service answers", func() bool {
			status, text, _ := ask(t, n, "GET", "/orders/7", nil)
			return status == 200 && text == "from 3"
		})
	}
	// An answer that comes later finds its request at another node.
	correlations := make(chan string, 1)
	back := stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) {
		correlations <- r.Header.Get("Weft-Correlation")
		w.WriteHeader(http.StatusAccepted)
	})
	stage.PutRoute(t, nodes[0], "later", anyone("/later", back.URL(), "reply", stage.Route{"timeout": "20s"}), nodes...)
	answered := make(chan string, 1)
	go func() { answered <- askLater(ctx, "POST", nodes[0].URL()+"/later") }()
	if m, err := third.Request("reply."+<-correlations, []byte("done"), 20*time.Second); err != nil || string(m.Data) != "+OK" {
		t.Errorf("acknowledged %v, %v", m, err)
	}
	if got := <-answered; got != "200 done" {
		t.Errorf("answered %s", got)
	}
	// The service that dies with its node costs the request that it holds, and no other.
	second := serveAs(1)
	lost := make(chan string, 1)
	go func() { lost <- askLater(ctx, "GET", nodes[0].URL()+"/orders/held") }()
	<-held
	nodes[2].Kill()
	third.Close() // else it goes to another node
	eventually(t, time.Minute, "the other service answers alone", func() bool {
		for range 10 {
			if status, text, _ := ask(t, nodes[0], "GET", "/orders/7", nil); status != 200 || text != "from 2" {
				return false
			}
		}
		return true
	})
	if got := <-lost; !strings.HasPrefix(got, "504 ") {
		t.Errorf("the request that the service held ends with %s", got)
	}
	second.Close()
	eventually(t, 40*time.Second, "nobody is there", func() bool {
		status, _, h := ask(t, nodes[0], "GET", "/orders/7", nil)
		return status == 503 && h.Get("Retry-After") == "1"
	})
}
