package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/client"
	"weft/test/stage"
)

// A said is what a command said and how it ended.
type said struct {
	code        int
	out, errors string
}

// command runs weft with the admin listener of a node.
func command(t testing.TB, ctx context.Context, at *stage.Node, stdin string, args ...string) said {
	t.Helper()
	binary, err := stage.Binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, binary, append(args, "--admin", at.AdminURL())...)
	cmd.Env = stage.Environment()
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("weft %s: %v", strings.Join(args, " "), err)
	}
	return said{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// awaitCommand runs weft until it has said what is hoped for.
func awaitCommand(t testing.TB, ctx context.Context, at *stage.Node, hope func(said) bool, args ...string) said {
	t.Helper()
	for {
		s := command(t, ctx, at, "", args...)
		if hope(s) {
			return s
		}
		if ctx.Err() != nil {
			t.Fatalf("weft %s: it does not come true: %+v", strings.Join(args, " "), s)
		}
		waitfor.Time(ctx, 200*time.Millisecond)
	}
}

// What an operator does when one node becomes three and one of them dies: nothing is
// lost on the way, and the commands say at each step how it is.
func TestAnOperatorMovesToAClusterAndReplacesADeadNode(t *testing.T) {
	t.Parallel()
	ctx := within(t, 6*time.Minute)
	alone := stage.StartNode(t, stage.Settings(t.TempDir()))
	for _, entry := range []string{"stolen", "user.eve"} {
		if status, body := admin(t, alone, "PUT", "/_weft/v1/blacklist/"+entry, ""); status != 204 {
			t.Fatalf("revoke %s: %d %s", entry, status, body)
		}
	}
	export := command(t, ctx, alone, "", "export")
	if export.code != 0 || !strings.Contains(export.errors, "exported 2 entries") {
		t.Fatalf("export: %+v", export)
	}
	// Eve gets a new token after the old ones were cut; it must stay good.
	fresh := stage.Token(t, "eve", map[string]any{"iat": time.Now().Add(2 * time.Second).Unix()})
	if s := command(t, ctx, alone, "", "drain"); s.code != 0 || !strings.Contains(s.errors, "the node has stopped") {
		t.Fatalf("drain: %+v", s)
	}

	nodes := stage.StartCluster(t, ctx, nil)
	if s := command(t, ctx, nodes[0], export.out, "import"); s.code != 0 || !strings.Contains(s.errors, "2 stored") {
		t.Fatalf("import: %+v", s)
	}
	well := func(s said) bool { return s.code == 0 }
	status := awaitCommand(t, ctx, nodes[1], well, "cluster", "status")
	for _, want := range []string{"n1 ", "n2 ", "n3 ", "EVENTS ", "blacklist ", "n1, n2, n3"} {
		if !strings.Contains(status.out, want) {
			t.Errorf("status does not show %q:\n%s", want, status.out)
		}
	}
	before, err := client.PollOnce(ctx, client.Target{URL: nodes[0].URL(), Token: stage.Token(t, "ann", nil)})
	if err != nil {
		t.Fatal(err)
	}
	const events = 40
	for i := range events {
		publish(t, nodes[i%3], "ann", "n", fmt.Appendf(nil, "%d", i))
	}

	if s := command(t, ctx, nodes[0], "", "cluster", "remove", "n3"); s.code != 1 || !strings.Contains(s.errors, "is alive") {
		t.Errorf("remove a node that is alive: %+v", s)
	}
	nodes[2].Kill()
	awaitCommand(t, ctx, nodes[0], func(s said) bool {
		return s.code == 1 && strings.Contains(s.errors, "weft: error: n3 is missing") &&
			strings.Contains(s.errors, "weft cluster remove n3")
	}, "cluster", "status")
	awaitCommand(t, ctx, nodes[1], well, "cluster", "remove", "n3")

	fourth := stage.NewNode(t, stage.Settings(t.TempDir()).With("node.name", "n4").
		With("cluster.listen", stage.FreeAddress(t)).
		With("cluster.seeds", nodes[0].Config["cluster.seeds"]).
		With("cluster.secret", nodes[0].Config["cluster.secret"]))
	fourth.Launch()
	fourth.AwaitReady(ctx)
	status = awaitCommand(t, ctx, fourth, well, "cluster", "status")
	if strings.Contains(status.out, "n3") || !strings.Contains(status.out, "n1, n2, n4") {
		t.Errorf("after the replacement:\n%s", status.out)
	}

	// The dead one comes back and is refused.
	nodes[2].Launch()
	if code, err := nodes[2].Process().Wait(ctx); err != nil || code != 1 {
		t.Errorf("a removed node ends with %d, %v", code, err)
	}

	// The new copies are whole: what the first node leaves behind is served by them.
	nodes[0].Kill()
	target := client.Target{URL: fourth.URL(), Token: stage.Token(t, "ann", nil), LastID: before.LastEventID, Query: url.Values{"wait": {"1s"}}}
	eventually(t, time.Minute, "the new node has all events", func() bool {
		answer, err := client.PollOnce(ctx, target)
		if err != nil {
			return false
		}
		if answer.Reset {
			t.Fatal("the client is told that history is gone")
		}
		return len(answer.Events) == events
	})
	if err := pollServed(t, fourth, stage.Token(t, "bob", map[string]any{"jti": "stolen"})); err == nil {
		t.Error("a token that was revoked at the single node is let in")
	}
	if err := pollServed(t, fourth, fresh); err != nil {
		t.Errorf("a token that was issued after the cut: %v", err)
	}
}
