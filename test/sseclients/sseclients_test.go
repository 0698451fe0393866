// Package sseclients has clients of Server-Sent Events and WebSocket that were written
// elsewhere, those of the table in docs/browser-plain.md, follow a node.
package sseclients

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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

// A library is one of the table in docs/browser-plain.md, with its driver, which sets what the
// table says.
type library struct {
	name   string
	driver []string
	socket bool // it is one of WebSocket
}

var libraries = []library{
	{"eventsource", node, false},
	{"event-source-polyfill", node, false},
	{"@microsoft/fetch-event-source", node, false},
	{"eventsource-client", node, false},
	{"reconnecting-websocket", node, true},
	{"partysocket", node, true},
	{"httpx-sse", python, false},
	{"sseclient-py", python, false},
	{"websockets", python, true},
	{"websocket-client", python, true},
}

var (
	node   = []string{"node", "drivers/driver.mjs"}
	python = []string{"python3", "drivers/driver.py"}
)

// A following is a driver that runs.
type following struct {
	t *testing.T
	*stage.Process
	ctx context.Context
}

// follow starts the driver of a library until the test ends.
func (l library) follow(t *testing.T, home, address, user string) *following {
	t.Helper()
	cmd := exec.Command(l.driver[0], append(l.driver[1:], l.name, address, stage.Token(t, user, nil))...)
	cmd.Env = append(stage.Environment(), "WEFT_SSECLIENTS="+home, "PYTHONPATH="+filepath.Join(home, "python"),
		"PYTHONDONTWRITEBYTECODE=1", "NODE_NO_WARNINGS=1")
	p, err := stage.StartProcess(l.name, cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	return &following{t, p, ctx}
}

// await waits until the driver has printed a text so many times.
func (f *following) await(n int, text string) {
	f.t.Helper()
	if _, err := f.AwaitLine(f.ctx, func(string) bool { return strings.Count(strings.Join(f.Output(), "\n"), text) >= n }); err != nil {
		f.t.Fatalf("wait for %d of %s: %v; it was told %v", n, text, err, all(f.t, f.Process))
	}
}

// user is one of a library's own.
func (l library) user(more string) string {
	return strings.NewReplacer("@", "", "/", "-").Replace(l.name) + more
}

// note publishes an event to a user.
func note(t *testing.T, n *stage.Node, user, data string) {
	t.Helper()
	if err := n.Publish(t.Context(), "type=note&user="+user, data); err != nil {
		t.Fatal(err)
	}
}

// A stream that brings nothing but keep-alives is one connection to each client, which tells its
// page of nothing that is no JSON; the event that comes then comes once. Of a WebSocket a node
// waits for six of them for an answer to its ping, which a busy machine may need.
func TestAnIdleStreamIsQuietAndStays(t *testing.T) {
	t.Parallel()
	home := stage.Installed(t, "sseclients.sh")
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("public.keepalive", "3s"))
	// All wait at the same time, in drivers of their own.
	followers := map[string]*following{}
	for _, l := range libraries {
		formats := []string{"payload", "frame", "cloudevents"}
		if l.socket {
			formats = []string{"frame"}
		}
		for _, format := range formats {
			user := l.user("-" + format)
			followers[user] = l.follow(t, home, node.URL()+"/_weft/v1/events?format="+format, user)
		}
	}
	for user, f := range followers {
		f.await(2, "weft.keepalive")
		text := `{"the":"note"}`
		if strings.HasSuffix(user, "-frame") { // more than a mebibyte, with what is around it
			text = `{"the":"note","x":"` + strings.Repeat("x", 1<<20-21) + `"}`
		}
		note(t, node, user, text)
	}
	for user, f := range followers {
		f.await(1, "the")
		f.await(3, "weft.keepalive")
		opens, notes := 0, 0
		for _, x := range all(t, f.Process) {
			switch {
			case x.What == "open":
				opens++
			case x.What != "event":
				t.Errorf("%s is told of trouble: %+v", user, x)
			case !json.Valid([]byte(x.Data)):
				t.Errorf("%s is told of what is no JSON: %+v", user, x)
			case isNote(x):
				notes++
			case strings.HasSuffix(user, "-payload") && (x.Type == "" || x.Type == "message"):
				t.Errorf("%s is told of a message: %+v", user, x)
			}
		}
		if opens != 1 || notes != 1 {
			t.Errorf("%s: %d connections and %d notes, want 1 of each", user, opens, notes)
		}
	}
}

func isNote(x told) bool {
	return strings.Contains(strings.ReplaceAll(x.Data, " ", ""), `"the":"note"`)
}

// A client whose connection is cut, or ended by an operator who lets it come back, comes back to
// its place: it gets each event once. One that is sent away stays away.
func TestALibraryComesBackToItsPlaceAndStaysAwayWhenTold(t *testing.T) {
	t.Parallel()
	home := stage.Installed(t, "sseclients.sh")
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("public.keepalive", "1s"))
	end := func(t *testing.T, user, query string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodDelete, node.AdminURL()+"/_weft/v1/users/"+user+"/connections"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("end the connections of %s: %s", user, answer.Status)
		}
	}
	relays, followers := map[string]*stage.Relay{}, map[string]*following{}
	for _, l := range libraries {
		user := l.user("")
		relays[user] = stage.NewRelay(t, node.Address())
		followers[user] = l.follow(t, home, relays[user].URL()+"/_weft/v1/events", user)
	}
	for user, f := range followers {
		f.await(1, "weft.open")
		note(t, node, user, `{"number":1}`)
		f.await(1, "number")
		relays[user].Cut()
		note(t, node, user, `{"number":2}`)
		relays[user].Mend()
	}
	for user, f := range followers {
		f.await(2, "number")
		end(t, user, "?reconnect=true")
		f.await(1, "weft.close")
		note(t, node, user, `{"number":3}`)
	}
	for user, f := range followers {
		f.await(3, "number")
		end(t, user, "")
	}
	for user, f := range followers {
		f.await(1, `closed`)
		if code, err := f.Wait(f.ctx); err != nil || code != 0 {
			t.Errorf("the driver of %s goes on, or ends with %d: %v", user, code, err)
		}
		var numbers []string
		for _, x := range all(t, f.Process) {
			if x.What == "event" && strings.Contains(x.Data, "number") {
				numbers = append(numbers, strings.ReplaceAll(x.Data, " ", ""))
			}
			if x.Type == "weft.reset" {
				t.Errorf("%s is told that history is gone: %s", user, x.Data)
			}
		}
		if got := strings.Join(numbers, ","); got != `{"number":1},{"number":2},{"number":3}` {
			t.Errorf("%s was told %s", user, got)
		}
	}
}

// The table of the docs has the libraries that are run here, at the versions that are.
func TestTheDocsHaveEachLibraryAtItsVersion(t *testing.T) {
	t.Parallel()
	read := func(path ...string) string {
		text, err := os.ReadFile(filepath.Join(path...))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([0-9.]+) \\|").FindAllStringSubmatch(read("..", "..", "docs", "browser-plain.md"), -1)
	pinned := read("drivers", "package.json") + read("drivers", "requirements.txt")
	for _, row := range rows {
		if !slices.ContainsFunc(libraries, func(l library) bool { return l.name == row[1] }) {
			t.Errorf("the docs have %s, and no test does", row[1])
		}
		if !strings.Contains(pinned, fmt.Sprintf("%q: %q", row[1], row[2])) && !strings.Contains(pinned, row[1]+"=="+row[2]+" ") {
			t.Errorf("the docs have %s %s, and the tests another one", row[1], row[2])
		}
	}
	if len(rows) != len(libraries) {
		t.Errorf("the docs have %d libraries, the tests %d", len(rows), len(libraries))
	}
}
