package test

import (
	"net/http"
	"testing"
	"time"

	"weft/test/client"
	"weft/test/stage"
)

// A node is ready within a second and sits idle in little memory.
func TestNodeStartsQuicklyAndIsSmall(t *testing.T) {
	if _, err := stage.Binary(); err != nil { // built before the clock runs
		t.Fatal(err)
	}
	var node *stage.Node
	for _, when := range []string{"with an empty folder", "with a folder that it was killed on"} {
		best := time.Hour
		for range 5 { // the best of some: the machine may be busy with others
			if when == "with an empty folder" {
				node = stage.NewNode(t, stage.Settings(t.TempDir()))
			}
			began := time.Now()
			node.Start()
			best = min(best, time.Since(began))
			node.Kill()
			if best < time.Second {
				break
			}
		}
		t.Logf("start to ready %s: %v", when, best.Round(time.Millisecond))
		if best > time.Second {
			t.Errorf("start to ready %s took %v, want less than 1s", when, best)
		}
	}
	node.Start()
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		if status, body := admin(t, node, http.MethodGet, path, ""); status != 200 {
			t.Errorf("GET %s: %d %s", path, status, body)
		}
	}
	record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil)})
	cpu, err := node.Process().CPU()
	if err != nil {
		t.Fatal(err)
	}
	const idle = 3 * time.Second
	time.Sleep(idle) // what is measured is that nothing happens
	after, err := node.Process().CPU()
	if err != nil {
		t.Fatal(err)
	}
	rss, err := node.Process().RSS()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("idle: %.1f MB resident, %.1f ms of CPU per second", float64(rss)/1e6, float64((after-cpu).Milliseconds())/idle.Seconds())
	if rss > 60e6 {
		t.Errorf("idle node holds %.1f MB, want less than 60", float64(rss)/1e6)
	}
}

// A node that is asked to stop tells its clients, ends with success, and loses
// nothing that it had accepted.
func TestStopTellsClientsToComeBack(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	ann := everywhere(t, node, "ann")
	publish(t, node, "ann", "", []byte(`"before"`))
	for _, r := range ann {
		awaitEvents(t, r, 1)
	}
	if code := node.Stop(); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	if reason, _ := awaitEnding(t, client.SSE, ann[client.SSE], 20*time.Second); reason != "drain" {
		t.Errorf("sse ended with %q, want drain", reason)
	}
	if reason, code := awaitEnding(t, client.WebSocket, ann[client.WebSocket], 20*time.Second); code != 1012 || reason != "drain" {
		t.Errorf("websocket ended with %q and %d, want drain and 1012", reason, code)
	}
	node.Start()
	publish(t, node, "ann", "", []byte(`"after"`))
	events, resets := resume(t, node, client.SSE, "ann", ann[client.SSE].LastID())
	if resets != 0 || len(events) != 1 || string(events[0].Data) != `"after"` {
		t.Errorf("after the restart: %d resets, %s", resets, describe(events))
	}
}
