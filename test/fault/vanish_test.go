package fault

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"weft/test/client"
	"weft/test/stage"
)

// openConnections is the node's own count.
func openConnections(t *testing.T, n *stage.Node) (sum int) {
	t.Helper()
	answer, err := (&http.Client{Timeout: 30 * time.Second}).Get(n.AdminURL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^weft_edge_connections\{[^}]*\} (\d+)$`).FindAllSubmatch(body, -1) {
		n, err := strconv.Atoi(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// Clients whose packets stop coming, with no end of their connections, are let go:
// over WebSocket when they have missed four keep-alives, over SSE when the kernel
// has had no acknowledgement for 30 seconds.
func TestClientsThatVanishAreLetGo(t *testing.T) {
	if !stage.HasNetwork() {
		t.Log("WARNING: not run: no private network")
		return
	}
	place := stage.NewNetwork(t, 1).Places[0]
	node := stage.NewNode(t, stage.Settings(t.TempDir()).
		With("public.keepalive", "1s").
		With("public.listen", place.Address+":4000").
		With("admin.listen", place.Address+":4010").
		With("admin.token", stage.AdminToken))
	node.Place = place
	node.Start()
	before, err := node.Process().Files()
	if err != nil {
		t.Fatal(err)
	}
	const each = 50
	token := stage.Token(t, "eve", nil)
	for range each {
		for _, kind := range []client.Transport{client.SSE, client.WebSocket} {
			r, err := client.Record(context.Background(), kind, client.Target{URL: node.URL(), Token: token})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(r.Close)
			if _, err := r.AwaitType(t.Context(), client.TypeOpen); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := openConnections(t, node); n != 2*each {
		t.Fatalf("%d connections, want %d", n, 2*each)
	}
	if err := place.Cut(stage.Both, stage.All); err != nil {
		t.Fatal(err)
	}
	// Meanwhile nobody can ask the node, but what it has open can be seen.
	limit := time.After(90 * time.Second)
	for open := before + 2*each; open > before+2; {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-limit:
			t.Fatalf("%d descriptors are open 90 s after the clients vanished, %d before they came", open, before)
		}
		if open, err = node.Process().Files(); err != nil {
			t.Fatal(err)
		}
	}
	place.Heal()
	for end := time.Now().Add(20 * time.Second); openConnections(t, node) != 0; {
		if time.Now().After(end) {
			t.Fatal("connections are open after all")
		}
	}
}
