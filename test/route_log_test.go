package test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// requestLines are the lines of the log of requests that a node has written.
func requestLines(n *stage.Node) (lines []map[string]any) {
	for _, text := range n.Process().Output() {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == "request" {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestTheLogOfRequestsHasTheLinesThatAreAskedFor(t *testing.T) {
	for mode, want := range map[string]string{"none": "", "errors": "500 502", "all": "200 404 401 500 502"} {
		t.Run(mode, func(t *testing.T) {
			n := stage.StartNode(t, stage.Settings(t.TempDir()).With("routes_log", mode))
			back := stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/broken" {
					w.WriteHeader(500)
				}
			})
			none := stage.Route{"mode": "none"}
			stage.PutRoute(t, n, "good", stage.Route{"pattern": "/good", "target": back.URL(), "auth": none})
			stage.PutRoute(t, n, "broken", stage.Route{"pattern": "/broken", "target": back.URL(), "auth": none})
			stage.PutRoute(t, n, "locked", stage.Route{"pattern": "/locked", "target": back.URL()})
			stage.PutRoute(t, n, "away", stage.Route{"pattern": "/away", "target": "http://" + stage.RefusingAddress(t), "auth": none})
			for _, path := range []string{"/good?secret=1&x", "/nowhere", "/locked", "/broken", "/away"} {
				askRoute(t, n, routeAsk{path: path, header: map[string]string{"Authorization": "Bearer a.b.c"}})
			}
			wanted := strings.Fields(want)
			if mode != "none" {
				waitfor.True(t, func() bool { return len(requestLines(n)) >= len(wanted) })
			}
			lines := requestLines(n)
			if len(lines) != len(wanted) {
				t.Fatalf("%d lines: %v", len(lines), lines)
			}
			for i, line := range lines {
				if text, _ := json.Marshal(line["status"]); string(text) != wanted[i] {
					t.Errorf("line %d has status %s, want %s", i, text, wanted[i])
				}
				for _, key := range []string{"route", "method", "path", "status", "bytes", "duration", "target", "user", "session", "address", "request_id", "outcome"} {
					if _, ok := line[key]; !ok {
						t.Errorf("line %d has no %s: %v", i, key, line)
					}
				}
			}
			if mode == "all" && lines[0]["path"] != "/good?secret&x" {
				t.Errorf("the path is %v", lines[0]["path"])
			}
			if all := strings.Join(n.Process().Output(), "\n"); strings.Contains(all, "a.b.c") || strings.Contains(all, "secret=1") {
				t.Error("a token or a value of a query is in the log")
			}
		})
	}
}
