// Package engines runs one page with the client in each browser engine that there is a package of:
// Blink, Gecko and WebKit. Nothing drives the browsers: they are started with the address of the
// page, which tells the test what it sees.
package engines

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/browser"
	"weft/test/stage"
)

func TestMain(m *testing.M) {
	code := m.Run()
	stage.RemoveBinary()
	os.Exit(code)
}

// policy goes with the page: what a strict page permits, frames of its own origin, which are its
// tabs, and the icon, which WebKit asks for by itself.
const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; frame-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// engines are started with the address of a page; each in a profile, and with a home, of its own.
var engines = map[string]func(t *testing.T, home, url string) *exec.Cmd{
	"blink": func(t *testing.T, home, url string) *exec.Cmd {
		return exec.Command(found(t, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"), "--headless", "--no-sandbox", "--disable-gpu",
			"--disable-dev-shm-usage", "--disable-component-update", "--no-first-run", "--user-data-dir="+home, url)
	},
	"gecko": func(t *testing.T, home, url string) *exec.Cmd {
		must(t, os.WriteFile(filepath.Join(home, "user.js"), []byte(quiet), 0o600))
		// The remote agent is not used: with it Firefox has the settings that suit tests.
		return exec.Command(found(t, "firefox-esr", "firefox"), "--headless", "--no-remote", "--remote-debugging-port=0", "--profile", home, url)
	},
	"webkit": func(t *testing.T, _, url string) *exec.Cmd {
		some, err := filepath.Glob("/usr/lib/*/webkit2gtk-4.1/MiniBrowser")
		must(t, err)
		cmd := exec.Command(found(t, some...), "--private", url)
		cmd.Env = []string{"DISPLAY=" + display(t), "NO_AT_BRIDGE=1"}
		return cmd
	},
}

// quiet are settings of Firefox: all that it would ask for outside goes to a port where nobody
// listens. What is on this machine goes through no proxy.
const quiet = `
user_pref("network.proxy.type", 1);
user_pref("network.proxy.http", "127.0.0.1");
user_pref("network.proxy.http_port", 1);
user_pref("network.proxy.ssl", "127.0.0.1");
user_pref("network.proxy.ssl_port", 1);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
`

// found is the first of the commands that is there.
func found(t *testing.T, commands ...string) string {
	t.Helper()
	for _, command := range commands {
		if path, err := exec.LookPath(command); err == nil {
			return path
		}
	}
	t.Fatalf("none of %q is here; test/scripts/prepare.sh installs them", commands)
	return ""
}

// display starts an X server for a browser that cannot do without one.
func display(t *testing.T) string {
	t.Helper()
	x := start(t, "Xvfb", exec.Command(found(t, "Xvfb"), "-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "800x600x24"))
	line, err := x.AwaitLine(soon(t), func(line string) bool { return strings.Trim(line, "0123456789") == "" })
	must(t, err)
	return ":" + line
}

func start(t *testing.T, name string, cmd *exec.Cmd) *stage.Process {
	t.Helper()
	p, err := stage.StartProcess(name, cmd)
	must(t, err)
	t.Cleanup(p.Kill)
	return p
}

// What is told by a client of the page.
type told struct {
	Name, Agent, State, Reason, Failure string
	Leads                               bool
	Event                               int
}

// page is what its clients have told so far.
type page struct {
	t *testing.T

	mu      sync.Mutex
	agent   string
	states  map[string]told
	events  map[string][]int
	failure []told
}

func (p *page) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var it told
	if err := json.NewDecoder(r.Body).Decode(&it); err != nil {
		p.t.Error(err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case it.Agent != "":
		p.agent = it.Agent
	case it.Failure != "":
		p.failure = append(p.failure, it)
	case it.State != "":
		p.states[it.Name] = it
	default:
		p.events[it.Name] = append(p.events[it.Name], it.Event)
	}
}

// await waits until ok holds of each client that is named.
func (p *page) await(what string, names []string, ok func(state told, events []int) bool) {
	p.t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		p.mu.Lock()
		missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return ok(p.states[name], p.events[name]) })
		text := fmt.Sprintf("%s; of %q not %q: states %v, events %v, failures %v", what, p.agent, missing, p.states, p.events, p.failure)
		p.mu.Unlock()
		if len(missing) == 0 {
			return
		}
		if time.Now().After(end) {
			p.t.Fatal("waited in vain: " + text)
		}
	}
}

// leader is the tab that says that it has the connection.
func (p *page) leader() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, state := range p.states {
		if strings.HasPrefix(name, "tab") && state.Leads {
			return name
		}
	}
	return "tab1"
}

// In each engine a page follows events over each transport and by shared tabs: all of them, each
// once and in order, also when the server sends all away and when the tab that leads is closed. Who
// is revoked is told so. Nothing violates a strict policy, and nothing fails unseen.
func TestThePageRunsInEachEngine(t *testing.T) {
	t.Parallel()
	for name, command := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node := stage.StartNode(t, stage.Settings(t.TempDir()))
			p := &page{t: t, states: map[string]told{}, events: map[string][]int{}}
			mux := http.NewServeMux()
			mux.Handle("POST /told", p)
			mux.Handle("/", http.FileServer(http.Dir("page")))
			site := browser.StartSite(t, mux, node.URL(), func(user string) string { return stage.Token(t, user, nil) }, "Content-Security-Policy", policy)
			home := t.TempDir()
			cmd := command(t, home, site.URL)
			cmd.Env = append(append(stage.Environment(), "HOME="+home), cmd.Env...)
			start(t, name, cmd)

			all := []string{"websocket", "sse", "poll", "tab1", "tab2", "tab3"}
			ask := asker(t, node)
			published := 0
			gets := func(n int) {
				t.Helper()
				for range n {
					published++
					must(t, node.Publish(t.Context(), "user=ann&type=note", fmt.Sprint(published)))
				}
			}
			hasAll := func(_ told, events []int) bool { return len(events) >= published }
			open := func(state told, _ []int) bool { return state.State == "open" }

			p.await("it is open", all, open)
			waitfor.Within(t, time.Minute, "a WebSocket, a stream and three tabs have three connections", func() bool { return streams(t, node) == 3 })
			gets(10)
			p.await("it has the first events", all, hasAll)
			ask(http.MethodDelete, "users/ann/connections?reconnect=true", "")
			gets(10)
			p.await("it has what came when it was sent away", all, hasAll)
			leader := p.leader()
			rest := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return name == leader })
			ask(http.MethodPost, "events?user=ann&type=end", `"`+leader+`"`)
			gets(10)
			p.await("it has what came when "+leader+" was closed", rest, hasAll)
			p.await("it is open again", rest, open)
			ask(http.MethodPut, "blacklist/user.ann", "")
			p.await("it is revoked", rest, func(state told, _ []int) bool {
				return state.State == "closed" && state.Reason == "revoked"
			})

			p.mu.Lock()
			defer p.mu.Unlock()
			t.Log(p.agent)
			for _, name := range rest {
				if events := p.events[name]; len(events) != published || !slices.IsSorted(events) || len(slices.Compact(slices.Clone(events))) != published {
					t.Errorf("%s has the events %v", name, events)
				}
			}
			if len(p.failure) > 0 {
				t.Errorf("failures: %+v", p.failure)
			}
		})
	}
}

// streams is how many connections of the user stay open: all but polls.
func streams(t *testing.T, node *stage.Node) int {
	t.Helper()
	resp, err := http.Get(node.AdminURL() + "/_weft/v1/users/ann")
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	var answer struct{ Connections []struct{ Transport string } }
	must(t, json.NewDecoder(resp.Body).Decode(&answer))
	n := 0
	for _, c := range answer.Connections {
		if c.Transport == "websocket" || c.Transport == "sse" {
			n++
		}
	}
	return n
}

// asker sends requests to the node as an operator, which must succeed.
func asker(t *testing.T, node *stage.Node) func(method, path, body string) {
	return func(method, path, body string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, node.AdminURL()+"/_weft/v1/"+path, bytes.NewReader([]byte(body)))
		must(t, err)
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		must(t, err)
		must(t, resp.Body.Close())
		if resp.StatusCode >= 300 {
			t.Fatalf("%s %s: %s", method, path, resp.Status)
		}
	}
}

// soon bounds a wait; it is generous, for the machine may be busy.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
