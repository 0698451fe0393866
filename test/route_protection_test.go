package test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"weft/test/stage"
)

func TestARouteOfModeNoneForwardsARequestAsItWasSent(t *testing.T) {
	n := stage.StartNode(t, stage.Settings(t.TempDir()))
	back := stage.StartBackend(t, nil)
	stage.PutRoute(t, n, "open", stage.Route{"pattern": "/open/{rest...}", "target": back.URL(), "auth": stage.Route{"mode": "none"}})
	answer, err := http.Post(n.URL()+"/open/a%2Fb?x=1;y", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	var got stage.Received
	if err := json.Unmarshal(text, &got); err != nil || answer.StatusCode != 200 || got.Method != "POST" || string(got.Body) != "hello" {
		t.Fatalf("%d %s: %v", answer.StatusCode, text, err)
	}
	if seen := back.Await(1); seen.Method != "POST" || string(seen.Body) != "hello" {
		t.Errorf("the back end has %+v", seen)
	}
	stage.DeleteRoute(t, n, "open")
	gone, err := http.Get(n.URL() + "/open/a")
	if err != nil {
		t.Fatal(err)
	}
	gone.Body.Close()
	if gone.StatusCode != 404 {
		t.Errorf("a route that was deleted still answers %d", gone.StatusCode)
	}
}
