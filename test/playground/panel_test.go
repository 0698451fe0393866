package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// clusterPage is a page of two nodes: n1 runs a script and answers with nodes,
// n2 is down.
func clusterPage(t *testing.T, nodes string) *page {
	t.Helper()
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/_weft/v1/nodes":
			_, _ = w.Write([]byte(nodes))
		case "/readyz":
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte("not ready: waits for two more\n"))
		default:
			t.Errorf("asked for %s", r.URL)
		}
	}))
	t.Cleanup(admin.Close)
	n1 := newMember(memberAddresses{Name: "n1", Admin: admin.Listener.Addr().String()}, fakeNode(t, "exec sleep 60"), "n1.yaml", t.Output())
	n2 := newMember(memberAddresses{Name: "n2"}, "", "n2.yaml", t.Output())
	t.Cleanup(func() { _ = n1.Close() })
	if err := n1.do(doStart); err != nil {
		t.Fatal(err)
	}
	p := testPage(&recorder{})
	members := []*member{n1, n2}
	p.users, p.cluster = clusterUsers, &cluster{
		members: members, roster: newRoster(members), flow: newFlow(&bumpy{}, clusterUsers, slog.New(slog.DiscardHandler)),
	}
	return p
}

func TestThePageIsToldHowTheNodesAre(t *testing.T) {
	p := clusterPage(t, `{"items":[{"name":"n1","ready":false,"reason":"no leader","connections":3},{"name":"n2","ready":true}],
		"groups":[{"name":"meta","leader":"n2"},{"name":"EVENTS","leader":"n1"}]}`)
	// Whoever is down is not asked.
	if first := p.cluster.roster.ask(t.Context(), 1); first != 0 {
		t.Errorf("member %d answered", first)
	}
	w := ask(t, p, http.MethodGet, "/api/cluster", "", nil)
	var got struct {
		Nodes []seat
		Flow  flowReport
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	n1, n2 := got.Nodes[0], got.Nodes[1]
	if n1.State != stateUp || !n1.Answers || n1.Ready || n1.Reason != "no leader" || n1.Connections != 3 || !n1.Leader {
		t.Errorf("n1: %+v", n1)
	}
	// What is said of a node that has just ended is old.
	if n2.State != stateDown || n2.Answers || n2.Ready || n2.Leader {
		t.Errorf("n2: %+v", n2)
	}
	if !got.Flow.On || len(got.Flow.Lanes) != 3 {
		t.Errorf("flow: %+v", got.Flow)
	}
}

func TestANodeThatTheOthersDoNotHearSpeaksForItself(t *testing.T) {
	p := clusterPage(t, `{"items":[{"name":"n2","ready":true}]}`)
	p.cluster.roster.ask(t.Context(), 0)
	if n1 := p.cluster.seats()[0]; !n1.Answers || n1.Ready || n1.Reason != "waits for two more" {
		t.Errorf("n1: %+v", n1)
	}
}

func TestTheNodesAndTheFlowAreChangedFromThePage(t *testing.T) {
	p := clusterPage(t, `{}`)
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/api/node", `{"name":"n1","do":"start"}`, http.StatusConflict},
		{"/api/node", `{"name":"n3","do":"start"}`, http.StatusUnprocessableEntity},
		{"/api/node", `{"name":"n1","do":"fly"}`, http.StatusUnprocessableEntity},
		{"/api/node", `{"name":"n1","do":"kill"}`, http.StatusOK},
		{"/api/node", `{"name":"n1"`, http.StatusBadRequest},
		{"/api/flow", `{"on":false}`, http.StatusOK},
		{"/api/send", `{}`, http.StatusMethodNotAllowed},
	} {
		if w := ask(t, p, http.MethodPost, c.path, c.body, nil); w.Code != c.status {
			t.Errorf("%s %s: status %d, want %d: %s", c.path, c.body, w.Code, c.status, w.Body)
		}
	}
	awaitState(t, p.cluster.members[0], stateDown)
	if p.cluster.flow.report().On {
		t.Error("the flow goes on")
	}
	if w := ask(t, p, http.MethodGet, "/", "", nil); !strings.Contains(w.Body.String(), "cluster.js") {
		t.Error("the page is not that of the cluster")
	}
}
