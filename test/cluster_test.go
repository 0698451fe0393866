package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/client"
	"weft/test/stage"
)

// A token that is revoked at one node is cut at all of them, and none lets it
// in: neither those that run, nor one that joins later and knows one of them.
func TestARevocationCutsOnEveryNode(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	nodes := stage.StartCluster(t, ctx, nil)
	token := func(session string) string { return stage.Token(t, "ann", map[string]any{"jti": session}) }
	for session, revoke := range map[string]func(session string){
		"by-admin": func(session string) {
			if status, body := admin(t, nodes[2], http.MethodPut, "/_weft/v1/blacklist/"+session, ""); status >= 300 {
				t.Fatalf("revoke: %d %s", status, body)
			}
		},
		// As nats kv put blacklist does it.
		"by-nats": func(session string) {
			publishNATS(t, nodes[1].NATS(), "$KV.blacklist."+session, nil, []byte("revoked"))
		},
	} {
		var open []*client.Recorder
		for i, n := range nodes {
			kind := []client.Transport{client.SSE, client.WebSocket}[i%2]
			open = append(open, record(t, kind, client.Target{URL: n.URL(), Token: token(session)}))
		}
		revoke(session)
		for i, r := range open {
			select {
			case <-r.Done():
			case <-ctx.Done():
				t.Fatalf("%s: node %d has not cut the connection", session, i+1)
			}
		}
	}

	late := stage.NewNode(t, stage.Settings(t.TempDir()).
		With("node.name", "n4").
		With("public.listen", stage.FreeAddress(t)).
		With("cluster.listen", stage.FreeAddress(t)).
		With("cluster.seeds", []string{nodes[0].Config["cluster.listen"].(string)}).
		With("cluster.secret", nodes[0].Config["cluster.secret"]))
	url := "http://" + late.Config["public.listen"].(string)
	late.Launch()
	starting, ready := context.WithCancel(ctx)
	defer ready()
	knocked := make(chan error)
	go func() { knocked <- knock(starting, url, token("by-nats")) }()
	late.AwaitReady(ctx)
	ready()
	if err := <-knocked; err != nil {
		t.Errorf("while node 4 starts: %v", err)
	}
	for i, n := range append(nodes, late) {
		for _, session := range []string{"by-admin", "by-nats"} {
			err := pollServed(t, n, token(session))
			var refused *client.StatusError
			if !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
				t.Errorf("node %d lets a token in that was revoked %s: %v", i+1, session, err)
			}
		}
	}
}

// pollServed polls once, and comes back for as long as it is told to: a node of a cluster
// that changes may not be ready for a moment, and lets nobody in meanwhile.
func pollServed(t *testing.T, n *stage.Node, token string) (err error) {
	t.Helper()
	eventually(t, 30*time.Second, "a client that comes back is served", func() bool {
		_, err = client.PollOnce(soon(t), client.Target{URL: n.URL(), Token: token})
		var refused *client.StatusError
		return !errors.As(err, &refused) || refused.Problem.Code != "not_ready"
	})
	return err
}

// knock tries to get in until ctx ends. It fails when it is let in.
func knock(ctx context.Context, url, token string) error {
	for tries := 0; ; tries++ {
		_, err := client.PollOnce(ctx, client.Target{URL: url, Token: token})
		switch {
		case err == nil:
			return fmt.Errorf("try %d was let in", tries)
		case ctx.Err() != nil && tries == 0:
			return errors.New("it was not tried")
		case ctx.Err() != nil:
			return nil
		}
		waitfor.Time(ctx, 5*time.Millisecond)
	}
}

// The crash of a node, the leader included, makes no other one unready.
func TestACrashMakesNoOtherNodeUnready(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	nodes := stage.StartCluster(t, ctx, nil)
	for i, n := range nodes {
		n.Kill()
		killed := time.Now()
		others := []*stage.Node{nodes[(i+1)%3], nodes[(i+2)%3]}
		watched := make(chan error, len(others))
		for _, other := range others {
			go func() { watched <- staysReady(ctx, other) }()
		}
		for range others {
			if err := <-watched; err != nil {
				t.Error(err)
			}
		}
		if time.Since(killed) > minElection {
			t.Logf("n%d led; events were stored again after %v", i+1, time.Since(killed).Round(time.Millisecond))
			return
		}
		n.Launch()
		n.AwaitReady(ctx)
	}
	t.Log("whoever led was killed as soon as another had")
}

// minElection is the least time after which the others agree on a new leader
// when the old one has crashed.
const minElection = 4 * time.Second

// staysReady watches a node until it stores events, and for a second more.
func staysReady(ctx context.Context, n *stage.Node) error {
	var until time.Time
	for until.IsZero() || time.Now().Before(until) {
		if ctx.Err() != nil {
			return fmt.Errorf("no event could be stored: %w", ctx.Err())
		}
		answer, err := http.Get(n.AdminURL() + "/readyz")
		if err != nil {
			return err
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %d %s", n.AdminURL(), answer.StatusCode, body)
		}
		if until.IsZero() && stored(ctx, n) {
			until = time.Now().Add(time.Second)
		}
		waitfor.Time(ctx, 20*time.Millisecond)
	}
	return nil
}

// stored reports whether an event can be stored at the node now.
func stored(ctx context.Context, n *stage.Node) bool {
	try, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(try, http.MethodPost, n.AdminURL()+"/_weft/v1/events?user=ann", bytes.NewReader([]byte("{}")))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusAccepted
}

// A node that is alone is alive, is not ready and says what it waits for.
func TestANodeAloneIsAliveAndSaysWhatItWaitsFor(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	admin := stage.FreeAddress(t)
	n := stage.NewNode(t, stage.Settings(t.TempDir()).With("admin.listen", admin).
		With("cluster.listen", stage.FreeAddress(t)).
		With("cluster.seeds", []any{stage.FreeAddress(t), stage.FreeAddress(t)}).
		With("cluster.secret", "a secret of the tests"))
	n.Launch()
	for ctx.Err() == nil {
		answer, err := http.Get("http://" + admin + "/readyz")
		if err == nil {
			body, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if answer.StatusCode == http.StatusServiceUnavailable && bytes.Contains(body, []byte("waiting for 3 nodes")) {
				break
			}
		}
		waitfor.Time(ctx, 20*time.Millisecond)
	}
	if ctx.Err() != nil {
		t.Fatal("the node does not say what it waits for")
	}
	answer, err := http.Get("http://" + admin + "/healthz")
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("alive: %v, %v", answer, err)
	}
	answer.Body.Close()
}
