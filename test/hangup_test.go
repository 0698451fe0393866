package test

import (
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"weft/test/client"
	"weft/test/stage"
)

// hangUp sends SIGHUP and waits for the n-th line that says so.
func hangUp(t *testing.T, n *stage.Node, lines int) {
	t.Helper()
	if err := n.Process().Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "a line of the log says that SIGHUP is ignored", func() bool {
		count := 0
		for _, line := range n.Process().Output() {
			if strings.Contains(line, "SIGHUP is ignored") {
				count++
			}
		}
		return count == lines && !n.Process().Ended()
	})
}

// A terminal that closes, or an operator who wants a reload, ends no node: the
// signal is ignored with a line, while it serves and while it drains.
func TestSIGHUPEndsNoNode(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("public.drain_window", "2s"))
	ann := record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil)})
	hangUp(t, node, 1)
	hangUp(t, node, 2)
	publish(t, node, "ann", "", []byte(`"still here"`))
	if events := awaitEvents(t, ann, 1); string(events[0].Data) != `"still here"` {
		t.Errorf("got %s", describe(events))
	}
	if err := node.Process().Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := ann.AwaitType(soon(t), client.TypeClose); err != nil {
		t.Fatal(err)
	}
	// What comes at its very end may find it gone already.
	_ = node.Process().Signal(syscall.SIGHUP)
	if code, err := node.Process().Wait(within(t, time.Minute)); err != nil || code != 0 {
		t.Errorf("exit code %d, %v; want 0", code, err)
	}
}

// A node of a cluster that waits for the others is no exception.
func TestSIGHUPEndsNoNodeThatStarts(t *testing.T) {
	node := stage.NewNode(t, stage.Settings(t.TempDir()).With("node.name", "n1").With("cluster.secret", "s").
		With("cluster.listen", "127.0.0.1:0").With("cluster.seeds", []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}))
	node.Launch()
	t.Cleanup(node.Kill)
	logged(t, node, `"msg":"listening"`)
	hangUp(t, node, 1)
	if code := node.Stop(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// Other commands end by it, as those who close a terminal expect.
func TestSIGHUPEndsOtherCommands(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	binary, err := stage.Binary()
	if err != nil {
		t.Fatal(err)
	}
	// What this program heeds its children do not ignore, also when nohup has started it.
	heeded := make(chan os.Signal, 1)
	signal.Notify(heeded, syscall.SIGHUP)
	defer signal.Stop(heeded)
	cmd := exec.Command(binary, "listen", "--url", node.URL(), "--token", stage.Token(t, "ann", nil))
	cmd.Env = stage.Environment()
	listen, err := stage.StartProcess("weft listen", cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(listen.Kill)
	eventually(t, 20*time.Second, "it listens", func() bool { return metric(t, node, `weft_edge_connections\{[^}]*\}`) == 1 })
	if err := listen.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if code, err := listen.Wait(soon(t)); err != nil || code != -1 {
		t.Errorf("exit code %d, %v; want the end by a signal", code, err)
	}
}
