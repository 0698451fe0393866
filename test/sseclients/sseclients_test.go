// Package sseclients has clients of Server-Sent Events that were written elsewhere follow a
// node: eventsource and @microsoft/fetch-event-source of npm, httpx-sse of PyPI.
package sseclients

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weft/test/stage"
)

func TestMain(m *testing.M) {
	code := m.Run()
	stage.RemoveBinary()
	os.Exit(code)
}

// installed is the folder that the script keeps the clients in.
func installed(t *testing.T) string {
	t.Helper()
	script := exec.Command(filepath.Join("..", "scripts", "sseclients.sh"))
	script.Stderr = t.Output()
	out, err := script.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// told is a line of a driver: what its client tells a page.
type told struct{ What, Type, Data string }

// all are the lines that a driver has printed.
func all(t *testing.T, p *stage.Process) (lines []told) {
	t.Helper()
	for _, line := range p.Output() {
		var x told
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatalf("the driver says %s", line)
		}
		lines = append(lines, x)
	}
	return lines
}

// A stream that brings nothing but a keep-alive each second is one connection to each client,
// which tells its page of nothing that is no JSON; the event that comes then comes once.
func TestAnIdleStreamIsQuietAndStays(t *testing.T) {
	t.Parallel()
	home := installed(t)
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("public.keepalive", "1s"))
	for _, client := range []struct {
		name    string
		command []string
	}{
		{"eventsource", []string{"node", "drivers/driver.mjs", "eventsource"}},
		{"@microsoft/fetch-event-source", []string{"node", "drivers/driver.mjs", "@microsoft/fetch-event-source"}},
		{"httpx-sse", []string{"python3", "drivers/driver.py"}},
	} {
		for _, format := range []string{"payload", "frame", "cloudevents"} {
			user := strings.ReplaceAll(strings.Trim(client.name, "@"), "/", "-") + "-" + format
			t.Run(user, func(t *testing.T) {
				t.Parallel()
				address := node.URL() + "/_weft/v1/events?format=" + format
				cmd := exec.Command(client.command[0], append(client.command[1:], address, stage.Token(t, user, nil))...)
				cmd.Env = append(stage.Environment(), "WEFT_SSECLIENTS="+home, "PYTHONPATH="+filepath.Join(home, "python"),
					"PYTHONDONTWRITEBYTECODE=1", "NODE_NO_WARNINGS=1")
				p, err := stage.StartProcess(user, cmd)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(p.Kill)
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				await := func(n int, text string) {
					t.Helper()
					if _, err := p.AwaitLine(ctx, func(string) bool { return strings.Count(strings.Join(p.Output(), "\n"), text) >= n }); err != nil {
						t.Fatalf("wait for %d of %s: %v; it was told %v", n, text, err, all(t, p))
					}
				}
				await(4, "weft.keepalive")
				answer, err := http.Post(node.AdminURL()+"/_weft/v1/events?type=note&user="+user, "application/json", strings.NewReader(`{"the":"note"}`))
				if err != nil {
					t.Fatal(err)
				}
				_ = answer.Body.Close()
				await(1, "the")
				await(5, "weft.keepalive")

				opens, notes := 0, 0
				for _, x := range all(t, p) {
					switch {
					case x.What == "open":
						opens++
					case x.What != "event":
						t.Errorf("it is told of trouble: %+v", x)
					case !json.Valid([]byte(x.Data)):
						t.Errorf("it is told of what is no JSON: %+v", x)
					case strings.Contains(x.Data, `"the":"note"`):
						notes++
					case x.Type == "" && format == "payload", x.Type == "message" && format == "payload":
						t.Errorf("it is told of a message: %+v", x)
					}
				}
				if opens != 1 || notes != 1 {
					t.Errorf("%d connections and %d notes, want 1 of each", opens, notes)
				}
			})
		}
	}
}
