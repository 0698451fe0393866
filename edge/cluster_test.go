package edge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/config/testkit/freeport"
	"weft/config/testkit/slow"
	"weft/edge"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/edge/transport"
	"weft/jetstream"
	"weft/jetstream/rpc"
	"weft/jetstream/server"
)

// newCluster starts three nodes that know each other and waits until all answer
// each other.
func newCluster(t *testing.T) []*stack {
	t.Helper()
	return newClusterOf(t, func(*edge.Config, *jetstream.Config) {})
}

// newClusterOf is newCluster; change may alter the configuration of each.
func newClusterOf(t *testing.T, change func(c *edge.Config, js *jetstream.Config)) []*stack {
	t.Helper()
	slow.Test(t, "nodes to meet and to elect")
	const size = 3
	seeds, err := freeport.Addresses("127.0.0.1", size)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	nodes := make([]*stack, size)
	var starting sync.WaitGroup
	for i := range nodes {
		nodes[i] = prepareStack(t, fmt.Sprintf("n%d", i+1), func(cfg *edge.Config, js *jetstream.Config) {
			change(cfg, js)
			c := server.ClusterConfig{}
			c.Listen, c.Seeds, c.Secret = seeds[i], seeds, "s3cret"
			c.Complete()
			js.Cluster = &c
		})
		starting.Go(func() {
			if err := nodes[i].start(ctx); err != nil {
				t.Errorf("start n%d: %v", i+1, err)
			}
		})
	}
	starting.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, s := range nodes {
		s.eventually("all nodes answer", func() bool { return s.get("nodes").Complete })
	}
	return nodes
}

// gathered is what an answer about the whole cluster may hold.
type gathered struct {
	rpc.Coverage
	Items []struct {
		User, Name, Version string
		Ready               bool
		Started             time.Time
		Connections         int
		Linked              []string
	}
	Next         string
	Online       bool
	Connections  []struct{ ID, Node string }
	Followers    int
	ByName       int `json:"by_name"`
	Disconnected int
}

func (g *gathered) nodesOf() string {
	var names []string
	for _, c := range g.Connections {
		names = append(names, c.Node)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// get asks the node's admin listener.
func (s *stack) get(path string) gathered {
	s.t.Helper()
	return s.admin(http.MethodGet, path)
}

func (s *stack) admin(method, path string) (g gathered) {
	s.t.Helper()
	resp, body := s.do(method, "admin:/_weft/v1/"+path, "", "")
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, body)
	}
	s.must(json.Unmarshal([]byte(body), &g))
	return g
}

// patch changes a connection through this node.
func (s *stack) patch(connection, token, body string) (int, string) {
	s.t.Helper()
	resp, got := s.do(http.MethodPatch, pathConnections+connection, token, body)
	return resp.StatusCode, got
}

// patched does so for as long as a node is late with its answer: then nothing was done.
func (s *stack) patched(connection, token, body string) (status int, got string) {
	s.t.Helper()
	s.eventually("all nodes answer", func() bool {
		status, got = s.patch(connection, token, body)
		return status != http.StatusServiceUnavailable
	})
	return status, got
}

var whole = rpc.Coverage{Answered: 3, Expected: 3, Known: 3, Complete: true}

// getWhole asks until all nodes have answered: one that is late is not waited for.
func (s *stack) getWhole(path string) (g gathered) {
	s.t.Helper()
	s.eventually("all nodes answer", func() bool {
		g = s.get(path)
		return g.Coverage == whole
	})
	return g
}

func TestAnyNodeTellsOperatorsOfAll(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t)
	var anns []*client
	for i, s := range nodes {
		ann := s.connect(transport.SSE, visitor{token: s.token("ann", nil), query: params("subject", "topic.hotel.1")})
		own := s.connect(transport.WebSocket, visitor{token: s.token(fmt.Sprintf("user%d", 3-i), nil)})
		ann.opened()
		own.opened()
		anns = append(anns, ann)
	}
	for _, s := range nodes {
		var seen []string
		after := ""
		for page := 0; page == 0 || after != ""; page++ {
			g := s.getWhole("users?limit=3&after=" + after)
			if page > 1 {
				t.Fatalf("page %d: %+v", page, g)
			}
			for _, u := range g.Items {
				seen = append(seen, fmt.Sprint(u.User, u.Connections))
			}
			after = g.Next
		}
		if got := strings.Join(seen, " "); got != "ann3 user11 user21 user31" {
			t.Errorf("users are %s", got)
		}
		if g := s.getWhole("users/ann"); !g.Online || g.nodesOf() != "n1 n2 n3" {
			t.Errorf("ann: %+v", g)
		}
		if g := s.getWhole("users/user1"); !g.Online || g.nodesOf() != "n3" {
			t.Errorf("user1: %+v", g)
		}
		if g := s.getWhole("users/bob"); g.Online || g.Connections == nil || len(g.Connections) != 0 {
			t.Errorf("bob: %+v", g)
		}
		if g := s.getWhole("topics/hotel.1"); g.Followers != 3 || len(g.Items) != 1 || g.Items[0].Connections != 3 {
			t.Errorf("topic: %+v", g)
		}
		g := s.getWhole("nodes")
		for i, n := range g.Items {
			if n.Name != nodes[i].node.Name() || !n.Ready || n.Connections != 2 || n.Version != "v1.2.3" || len(n.Linked) != 2 ||
				time.Since(n.Started) > 5*time.Minute {
				t.Errorf("node %d: %+v", i, n)
			}
		}
		if len(g.Items) != 3 {
			t.Errorf("nodes: %+v", g)
		}
	}
	// A node that is late with its answer is not counted, and has done what it was asked.
	if g := nodes[1].admin(http.MethodDelete, "users/ann/connections"); g.Disconnected != g.Answered {
		t.Errorf("disconnect: %+v", g)
	}
	for _, c := range anns {
		c.wantEnd(session.Disconnected)
	}

	nodes[2].must(nodes[2].node.Close())
	nodes[0].eventually("the third node is missed", func() bool {
		return nodes[0].get("users").Coverage == rpc.Coverage{Answered: 2, Expected: 2, Known: 3}
	})
	if g := nodes[0].get("users/user1"); g.Online || g.Complete {
		t.Errorf("a user of a node that is gone: %+v", g)
	}
	if g := nodes[2].get("users"); len(g.Items) != 1 || g.Complete || g.Known != 3 {
		t.Errorf("what a node that is cut off knows: %+v", g)
	}
}

func TestAConnectionIsChangedThroughAnyNode(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t)
	home := nodes[0]
	ann := home.token("ann", map[string]any{"extra": "a"})
	c := home.connect(transport.SSE, visitor{token: ann})
	var open struct{ Connection string }
	home.must(json.Unmarshal([]byte(c.opened().data), &open))
	for i, s := range nodes {
		topic := fmt.Sprintf("topic.hotel.%d", i)
		status, body := s.patched(open.Connection, s.token("ann", nil), `{"subscribe":["`+topic+`"]}`)
		if status != http.StatusOK || !strings.Contains(body, `"user.ann"`) || !strings.Contains(body, topic) {
			t.Fatalf("through %s: %d %s", s.node.Name(), status, body)
		}
		// Once it is answered it is in force.
		s.store(topic, "", []byte(`"`+topic+`"`))
		if h := c.next(); h.data != `"`+topic+`"` {
			t.Fatalf("heard %+v", h)
		}
	}
	// Changed at one node, published at another one, followed at a third.
	for i := range 2 {
		at, from := nodes[1+i], nodes[2-i]
		if status, body := at.patched(open.Connection, ann, tokenChange(ann)); status != http.StatusOK {
			t.Fatalf("a token for more: %d %s", status, body)
		}
		set := `{"set":[{"subject":"topic.hotel.7","type":["order.*"]},"topic.extra.a"]}`
		if status, body := at.patched(open.Connection, ann, set); status != http.StatusOK || strings.TrimSpace(body) != `{"subjects":["user.ann","topic.hotel.7","topic.extra.a"]}` {
			t.Fatalf("a set: %d %s", status, body)
		}
		from.store("topic.hotel.7", "chat", []byte(`"not wanted"`))
		from.store("topic.hotel.7", "order.paid", []byte(`"wanted"`))
		if h := c.next(); h.data != `"wanted"` {
			t.Fatalf("heard %+v", h)
		}
		if status, body := at.patched(open.Connection, ann, tokenChange(at.token("ann", nil))); status != http.StatusOK || strings.TrimSpace(body) != `{"subjects":["user.ann","topic.hotel.7"]}` {
			t.Fatalf("a token for less: %d %s", status, body)
		}
		if h := c.next(); h.typ != "weft.unsubscribed" || h.data != `{"subjects":["topic.extra.a"],"reason":"unauthorised"}` {
			t.Fatalf("heard %+v", h)
		}
		from.store("topic.extra.a", "", []byte(`"lost"`))
		from.store("user.ann", "", []byte(`"left"`))
		if h := c.next(); h.data != `"left"` {
			t.Fatalf("heard %+v", h)
		}
		if status, body := at.patched(open.Connection, ann, `{"set":[]}`); status != http.StatusOK || strings.TrimSpace(body) != `{"subjects":["user.ann"]}` {
			t.Fatalf("an empty set: %d %s", status, body)
		}
	}
	fresh := home.token("ann", map[string]any{"jti": "fresh"})
	for _, s := range nodes {
		for _, w := range []struct {
			connection, token, body string
			status                  int
			code                    problem.Code
		}{
			{open.Connection, s.token("bob", nil), `{"subscribe":["topic.hotel.1"]}`, 409, problem.UserMismatch},
			{open.Connection, ann, `{"token":"` + s.token("bob", nil) + `"}`, 409, problem.UserMismatch},
			{open.Connection, ann, `{"token":"x.y.z"}`, 401, problem.TokenInvalid},
			{open.Connection, ann, `{"subscribe":["topic.staff"]}`, 403, problem.Forbidden},
			{open.Connection, ann, `{"subscribe":["hotel"]}`, 400, problem.BadSubject},
			{open.Connection, "x.y.z", `{"subscribe":["topic.hotel.1"]}`, 401, problem.TokenInvalid},
			// What may be subscribed is judged by the connection's token.
			{open.Connection, s.token("ann", map[string]any{"extra": "b"}), `{"subscribe":["topic.extra.b"]}`, 403, problem.Forbidden},
			{session.NewID(), ann, `{"subscribe":["topic.hotel.1"]}`, 404, problem.NotFound},
			{strings.Repeat("x", 10_000), ann, `{"subscribe":["topic.hotel.1"]}`, 404, problem.NotFound},
		} {
			if status, body := s.patched(w.connection, w.token, w.body); status != w.status || !strings.Contains(body, `"code":"`+string(w.code)+`"`) {
				t.Errorf("%s through %s: %d %s, want %d %s", w.body, s.node.Name(), status, body, w.status, w.code)
			}
		}
	}
	if status, body := nodes[1].patched(open.Connection, ann, `{"token":"`+fresh+`","subscribe":["topic.own.ann"]}`); status != http.StatusOK {
		t.Fatalf("refresh: %d %s", status, body)
	}
	if g := nodes[2].getWhole("users/ann"); g.nodesOf() != "n1" {
		t.Errorf("ann after the refresh: %+v", g)
	}

	nodes[2].must(nodes[2].node.Close())
	nodes[1].eventually("it is unknown whether there is such a connection", func() bool {
		status, body := nodes[1].patch(session.NewID(), ann, `{"subscribe":["topic.hotel.1"]}`)
		return status == http.StatusServiceUnavailable && strings.Contains(body, `"code":"not_ready"`)
	})
	if status, body := nodes[1].patched(open.Connection, ann, `{"unsubscribe":["topic.own.ann"]}`); status != http.StatusOK {
		t.Errorf("one that is there: %d %s", status, body)
	}
	// The new token is what counts at the connection's node.
	home.must(nodes[1].node.Blacklist().Put(t.Context(), "fresh", "", 0))
	c.wantEnd(session.Revoked)
}

func TestANodeThatDoesNotAnswerLeavesAChangeUnknown(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t)
	nodes[1].node.RPC().Handle(edge.MethodChange, 1, func(ctx context.Context, _ []byte) []byte { <-ctx.Done(); return nil })
	for name, want := range map[string]problem.Code{"n2": problem.UpstreamTimeout, "n9": problem.NotReady} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		err := nodes[0].edge.ChangeThere(ctx, name)
		cancel()
		if got := problem.Of(err).Code; got != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}
