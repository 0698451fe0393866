package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/test/client"
	"weft/test/stage"
)

// tellsOf is what a node answers an operator about the cluster.
type tellsOf struct {
	Items []struct {
		User, Name, Version string
		Connections         int
	}
	Online       bool
	Connections  []struct{ Node string }
	Followers    int
	Disconnected int

	Answered int  `json:"nodes_answered"`
	Expected int  `json:"nodes_expected"`
	Known    int  `json:"nodes_known"`
	Complete bool `json:"complete"`
}

func operate(t testing.TB, n *stage.Node, method, path string) tellsOf {
	t.Helper()
	status, body := admin(t, n, method, "/_weft/v1/"+path, "")
	var got tellsOf
	if status != http.StatusOK || json.Unmarshal(body, &got) != nil {
		t.Fatalf("%s %s: %d %s", method, path, status, body)
	}
	return got
}

// operateAll asks until all nodes have answered: one that is busy may be late, and is not
// waited for.
func operateAll(t testing.TB, n *stage.Node, path string) (got tellsOf) {
	t.Helper()
	eventually(t, 30*time.Second, "all nodes answer", func() bool {
		got = operate(t, n, "GET", path)
		return got.Complete
	})
	return got
}

// change sends a PATCH of a connection to a node.
func change(t testing.TB, n *stage.Node, connection, token, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPatch, n.URL()+"/_weft/v1/connections/"+connection, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	status, answer, _ := exchange(t, req)
	return status, string(answer)
}

// changed sends it for as long as a node is late with its answer: then nothing was done.
func changed(t testing.TB, n *stage.Node, connection, token, body string) (status int, answer string) {
	t.Helper()
	eventually(t, 30*time.Second, "all nodes answer", func() bool {
		status, answer = change(t, n, connection, token, body)
		return status != http.StatusServiceUnavailable
	})
	return status, answer
}

// Whichever node is asked, the whole cluster answers; and when a node has died,
// nobody claims to know what became of its connections.
func TestWhatIsAskedAtOneNodeIsAnsweredForAll(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	nodes := stage.StartCluster(t, ctx, map[string]any{"auth.allow": []any{"topic.hotel.*"}})
	for _, n := range nodes {
		eventually(t, 30*time.Second, "all nodes answer each other", func() bool { return operate(t, n, "GET", "nodes").Complete })
	}
	var anns []*client.Recorder
	var last client.Opened
	for i, n := range nodes {
		ann := record(t, []client.Transport{client.SSE, client.WebSocket, client.SSE}[i], client.Target{URL: n.URL(), Token: stage.Token(t, "ann", nil)})
		own := record(t, client.SSE, client.Target{URL: n.URL(), Token: stage.Token(t, fmt.Sprintf("user%d", i+1), nil)})
		for _, r := range []*client.Recorder{ann, own} {
			opened, err := r.AwaitType(ctx, client.TypeOpen)
			if err != nil {
				t.Fatal(err)
			}
			if r == ann {
				last = client.Opened{}
				if err := json.Unmarshal(opened.Data, &last); err != nil {
					t.Fatal(err)
				}
			}
		}
		anns = append(anns, ann)
	}
	for _, n := range nodes {
		var seen []string
		list := operateAll(t, n, "users")
		for _, u := range list.Items {
			seen = append(seen, fmt.Sprint(u.User, ":", u.Connections))
		}
		if got := strings.Join(seen, " "); got != "ann:3 user1:1 user2:1 user3:1" || list.Answered != 3 {
			t.Errorf("users: %s, %+v", got, list)
		}
		ann := operateAll(t, n, "users/ann")
		var at []string
		for _, c := range ann.Connections {
			at = append(at, c.Node)
		}
		slices.Sort(at)
		if !ann.Online || strings.Join(at, " ") != "n1 n2 n3" {
			t.Errorf("ann: %+v", ann)
		}
		cluster := operateAll(t, n, "nodes")
		for i, one := range cluster.Items {
			if one.Name != fmt.Sprintf("n%d", i+1) || one.Version == "" || one.Connections != 2 {
				t.Errorf("node %d: %+v", i, one)
			}
		}
		if len(cluster.Items) != 3 {
			t.Errorf("nodes: %+v", cluster)
		}
	}

	// The last of ann's connections is at n3 and follows SSE.
	token := stage.Token(t, "ann", nil)
	if status, body := changed(t, nodes[0], last.Connection, token, `{"subscribe":["topic.hotel.42"]}`); status != http.StatusOK || !strings.Contains(body, "topic.hotel.42") {
		t.Fatalf("change through another node: %d %s", status, body)
	}
	if got := operateAll(t, nodes[1], "topics/hotel.42"); got.Followers != 1 {
		t.Errorf("followers: %+v", got)
	}
	if status, body := admin(t, nodes[1], "POST", "/_weft/v1/events?subject=topic.hotel.42", `"sold"`); status != http.StatusAccepted {
		t.Fatalf("publish: %d %s", status, body)
	}
	if err := anns[2].Await(ctx, func(all []client.Event) bool {
		return slices.ContainsFunc(all, func(e client.Event) bool { return bytes.Contains(e.Data, []byte("sold")) })
	}); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		connection, token string
		status            int
		code              string
	}{
		"of another user":     {last.Connection, stage.Token(t, "bob", nil), http.StatusConflict, "user_mismatch"},
		"that does not exist": {"AAAAAAAAAAAAAAAAAAAAAA", token, http.StatusNotFound, "not_found"},
	} {
		if status, body := changed(t, nodes[1], c.connection, c.token, `{"subscribe":["topic.hotel.1"]}`); status != c.status || !strings.Contains(body, c.code) {
			t.Errorf("change a connection %s: %d %s", what, status, body)
		}
	}

	// A node that is late with its answer is not counted; it has done all the same what it was asked.
	if got := operate(t, nodes[1], "DELETE", "users/ann/connections?reason=we+move"); got.Disconnected != got.Answered {
		t.Errorf("disconnect: %+v", got)
	}
	for i, r := range anns {
		if bye, err := r.AwaitType(ctx, client.TypeClose); err != nil || !bytes.Contains(bye.Data, []byte(`"detail":"we move"`)) {
			t.Errorf("ann at n%d: %s, %v", i+1, bye.Data, err)
		}
	}

	nodes[2].Kill()
	if got := operate(t, nodes[0], "GET", "users/user3"); got.Complete || got.Known != 3 {
		t.Errorf("right after a kill: %+v", got)
	}
	eventually(t, 30*time.Second, "the dead node is not expected to answer", func() bool {
		got := operate(t, nodes[0], "GET", "users")
		return got.Answered == 2 && got.Expected == 2 && got.Known == 3 && !got.Complete && len(got.Items) == 2
	})
	if status, body := change(t, nodes[0], last.Connection, token, `{"subscribe":["topic.hotel.1"]}`); status != http.StatusServiceUnavailable || !strings.Contains(body, "not_ready") {
		t.Errorf("a connection that nobody left has: %d %s", status, body)
	}
}
