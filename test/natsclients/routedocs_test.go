package natsclients

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// awaitStatus asks a node for a path until it answers with a status.
func awaitStatus(t *testing.T, n *stage.Node, path string, want int) {
	t.Helper()
	for ctx := soon(t); ; {
		answer, err := http.Get(n.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode == want {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s is answered %d, want %d", path, answer.StatusCode, want)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// putsRoute is for a put of a route to the health check of the node.
func putsRoute(t *testing.T, s *shell, m []string) {
	s.line = strings.ReplaceAll(s.line, "http://127.0.0.1:4010", s.node.AdminURL())
	s.run("")
	awaitStatus(t, s.node, m[0], http.StatusOK)
}

func revertsRoute(t *testing.T, s *shell, m []string) {
	back := stage.StartBackend(t, nil)
	for _, pattern := range []string{"/first", "/second"} {
		stage.PutRoute(t, s.node, m[0], stage.Route{"pattern": pattern, "target": back.URL(), "auth": stage.Route{"mode": "none"}})
	}
	awaitStatus(t, s.node, "/second", http.StatusOK)
	s.run("")
	awaitStatus(t, s.node, "/first", http.StatusOK)
	awaitStatus(t, s.node, "/second", http.StatusNotFound)
}

func purgesVersions(t *testing.T, s *shell, m []string) {
	back := stage.StartBackend(t, nil)
	for _, pattern := range []string{"/first", "/second"} {
		stage.PutRoute(t, s.node, m[0], stage.Route{"pattern": pattern, "target": back.URL(), "auth": stage.Route{"mode": "none"}})
	}
	versions := func() int {
		var history struct{ Items []json.RawMessage }
		answer, err := http.Get(s.node.AdminURL() + "/_weft/v1/routes/" + m[0] + "/history")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if err := json.NewDecoder(answer.Body).Decode(&history); err != nil {
			t.Fatal(err)
		}
		return len(history.Items)
	}
	if n := versions(); n != 2 {
		t.Fatalf("%d versions, want 2", n)
	}
	s.run("")
	waitfor.True(t, func() bool { return versions() == 1 })
	awaitStatus(t, s.node, "/second", http.StatusOK)
}

// answersLater is for an answer to a request that waits.
func answersLater(t *testing.T, s *shell, m []string) {
	back := stage.StartBackend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	stage.PutRoute(t, s.node, "later", stage.Route{"pattern": "/later", "target": back.URL(), "auth": stage.Route{"mode": "none"}, "reply": stage.Route{}})
	type answered struct {
		status, text string
		err          error
	}
	done := make(chan answered, 1)
	go func() {
		answer, err := http.Get(s.node.URL() + "/later")
		if err != nil {
			done <- answered{err: err}
			return
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		done <- answered{answer.Status[:3], string(text), err}
	}()
	s.line = strings.Replace(s.line, "<correlation>", back.Await(1).Header.Get("Weft-Correlation"), 1)
	if out := s.run(""); !strings.Contains(out, "+OK") {
		t.Errorf("it printed %q", out)
	}
	if got := <-done; got != (answered{m[0], m[1], nil}) {
		t.Errorf("%+v", got)
	}
}
