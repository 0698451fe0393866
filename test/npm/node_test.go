package npm

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// nodes are the Node of the machine and the newest one. Of their versions one is below 22, and
// knows no WebSocket, where the machine's is as old as Debian's.
func nodes(home string) map[string]string {
	architecture := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	return map[string]string{"installed": "node", "newest": filepath.Join(home, "node_modules", "node-linux-"+architecture, "bin", "node")}
}

// A plain script follows events over each transport that its Node has, sends, loses nothing when
// it is sent away, and ends by itself once it has closed the client.
func TestAScriptInNodeFollowsEvents(t *testing.T) {
	t.Parallel()
	dir := project(t, "follow.mjs")
	node := stage.StartNode(t, stage.Settings(t.TempDir()).
		With("auth.allow", []string{"topic.hotel.*"}).With("auth.publish", []string{"topic.hotel.*"}))
	for name, binary := range nodes(stage.Installed(t, "npm.sh")) {
		version, err := strconv.Atoi(strings.Split(strings.TrimPrefix(strings.TrimSpace(run(t, dir, binary, "--version")), "v"), ".")[0])
		must(t, err)
		sockets := version >= 22
		for _, transports := range []string{"", "websocket", "sse", "poll"} {
			if transports == "websocket" && !sockets {
				continue
			}
			want := transports
			if want == "" {
				want = map[bool]string{true: "websocket", false: "sse"}[sockets]
			}
			t.Run(name+" "+transports, func(t *testing.T) {
				t.Parallel()
				user := name + "-" + transports
				p, err := stage.StartProcess(user, func() *exec.Cmd {
					cmd := exec.Command(binary, "follow.mjs", node.URL(), stage.Token(t, user, nil), "topic.hotel."+user, transports)
					cmd.Dir, cmd.Env = dir, stage.Environment()
					return cmd
				}())
				must(t, err)
				t.Cleanup(p.Kill)
				said := func(text string) func() bool {
					return func() bool { return strings.Contains(strings.Join(p.Output(), "\n"), text) }
				}
				t.Cleanup(func() {
					if t.Failed() {
						t.Logf("it said\n%s", strings.Join(p.Output(), "\n"))
					}
				})
				// Only what its topic brings from then on is for it.
				waitfor.Within(t, time.Minute, "it follows its topic", said(`"subscribed"`))
				publish(t, node, "type=note.a&user="+user, map[string]any{"n": 1})
				waitfor.Within(t, time.Minute, "its own event comes", said(`{"event":2}`))

				// Sent away, it comes back.
				r, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, node.AdminURL()+"/_weft/v1/users/"+user+"/connections?reconnect=true", nil)
				must(t, err)
				resp, err := http.DefaultClient.Do(r)
				must(t, err)
				must(t, resp.Body.Close())
				publish(t, node, "type=note.a&user="+user, map[string]any{"n": 3})
				publish(t, node, "type=note.b&user="+user, map[string]any{"n": 4, "last": true})
				if code, err := p.Wait(soon(t)); code != 0 || err != nil {
					t.Fatalf("it ends with %d, %v: %v", code, err, p.Output())
				}

				var got []int
				var published bool
				for _, line := range p.Output() {
					var it struct {
						Event                    int
						State, Transport, Failed string
						Published                string
						Reset                    []string
					}
					if err := json.Unmarshal([]byte(line), &it); err != nil {
						t.Fatalf("it says %s", line)
					}
					if it.Event > 0 {
						got = append(got, it.Event)
					}
					published = published || it.Published != ""
					if it.Failed != "" || it.Reset != nil || it.State == "open" && it.Transport != want {
						t.Errorf("it says %s, and is to come by %s", line, want)
					}
				}
				if !slices.Equal(got, []int{1, 2, 3, 4}) || !published {
					t.Errorf("it got %v, and its own event was stored: %t", got, published)
				}
			})
		}
	}
}

// A server that renders a component makes no connection, and needs no page to do so.
func TestAServerRendersAComponentWithoutAConnection(t *testing.T) {
	t.Parallel()
	dir := project(t, "rendered.mjs")
	for name, binary := range nodes(stage.Installed(t, "npm.sh")) {
		if got := run(t, dir, binary, "rendered.mjs"); got != "<p>connecting</p>\n" {
			t.Errorf("Node %s renders %s", name, got)
		}
	}
}
