package test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"weft/test/client"
	"weft/test/stage"
)

// A token that is revoked at one node is cut at all of them, and none lets it in.
func TestARevocationCutsOnEveryNode(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	nodes := stage.StartCluster(t, ctx, nil)
	token := stage.Token(t, "ann", map[string]any{"jti": "stolen"})
	var open []*client.Recorder
	for i, n := range nodes {
		r, err := client.Record(ctx, []client.Transport{client.SSE, client.WebSocket}[i%2], client.Target{URL: n.URL(), Token: token})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		open = append(open, r)
		if _, err := r.AwaitType(ctx, client.TypeOpen); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, nodes[2].AdminURL()+"/_weft/v1/blacklist/stolen", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	for i, r := range open {
		select {
		case <-r.Done():
		case <-ctx.Done():
			t.Fatalf("node %d has not cut the connection", i+1)
		}
	}
	for i, n := range nodes {
		_, err := client.PollOnce(ctx, client.Target{URL: n.URL(), Token: token})
		var refused *client.StatusError
		if !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
			t.Errorf("node %d lets a revoked token in: %v", i+1, err)
		}
	}
}

// A node that is alone is alive, is not ready and says what it waits for.
func TestANodeAloneIsAliveAndSaysWhatItWaitsFor(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
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
		pause(ctx, 20*time.Millisecond)
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
