package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"weft/test/client"
	"weft/test/stage"
)

// postAnywhere publishes one event at any node that takes it, until one does. The key
// makes what is sent twice be stored once.
func postAnywhere(ctx context.Context, nodes []*stage.Node, user string, n int) error {
	body := fmt.Appendf(nil, `{"user":%q,"n":%d}`, user, n)
	for ctx.Err() == nil {
		at := nodes[rand.IntN(len(nodes))]
		try, cancel := context.WithTimeout(ctx, 10*time.Second)
		req, err := http.NewRequestWithContext(try, http.MethodPost, at.AdminURL()+"/_weft/v1/events?user="+user, bytes.NewReader(body))
		if err != nil {
			cancel()
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", fmt.Sprintf("%s/%d", user, n))
		answer, err := http.DefaultClient.Do(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
		cancel()
		if err == nil && answer.StatusCode == http.StatusAccepted {
			return nil
		}
		pause(ctx, 20*time.Millisecond)
	}
	return ctx.Err()
}

// Every event that was acknowledged reaches its user once and in order, whatever
// node is killed.
func TestAClusterLosesNothingWhenNodesAreKilled(t *testing.T) {
	const users, perUser = 12, 120
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	nodes := stage.StartCluster(t, ctx, map[string]any{"events.max_per_subject": 10_000})

	followers := map[string]*follower{}
	var following, publishing sync.WaitGroup
	defer func() { cancel(); following.Wait() }()
	for i := range users {
		user := fmt.Sprintf("user%d", i)
		f := newFollower("", stage.Token(t, user, nil), rand.New(rand.NewPCG(uint64(i), 7)))
		f.at = func() string { return nodes[rand.IntN(len(nodes))].URL() }
		followers[user] = f
		following.Go(func() { f.run(ctx) })
	}
	for _, f := range followers {
		if err := f.awaitID(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for user := range followers {
		publishing.Go(func() {
			for n := 1; n <= perUser; n++ {
				if err := postAnywhere(ctx, nodes, user, n); err != nil {
					t.Errorf("publish %d for %s: %v", n, user, err)
					return
				}
				pause(ctx, time.Duration(rand.IntN(200))*time.Millisecond)
			}
		})
	}
	for _, n := range nodes {
		pause(ctx, 2*time.Second)
		n.Kill()
		pause(ctx, 2*time.Second)
		n.Launch()
		n.AwaitReady(ctx)
	}
	publishing.Wait()
	want := make([]int, perUser)
	for i := range want {
		want[i] = i + 1
	}
	var total tally
	for user, f := range followers {
		if err := f.await(ctx, func() bool { return len(f.log) >= perUser }); err != nil {
			t.Errorf("%s: %v; %s", user, err, f.state())
		}
		total.add(count(f.seen(), want))
	}
	if total.Lost+total.Doubled+total.Reordered+total.Resets != 0 {
		t.Errorf("%+v", total)
	}
	t.Logf("%+v over %d kills", total, len(nodes))
}

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
