package test

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/test/stage"
)

// clusterStatus is what weft cluster status --json prints.
type clusterStatus struct {
	OK     bool `json:"ok"`
	Groups []struct {
		Name, Leader string
	} `json:"groups"`
	Items []struct {
		Name  string
		Ready bool
		// Staleness is how old the node's blacklist may be.
		Staleness *float64 `json:"blacklist_staleness_seconds"`
	} `json:"items"`
	Missing []string `json:"missing"`
	// Said is standard error.
	Said string `json:"-"`
	took time.Duration
}

// statusAt asks a node by the command, as an operator does.
func statusAt(t testing.TB, ctx context.Context, n *stage.Node) (s clusterStatus) {
	t.Helper()
	out, said, code := weft(t, ctx, nil, "cluster", "status", "--json", "--admin", strings.TrimPrefix(n.AdminURL(), "http://"), "--token", "-")
	if err := json.Unmarshal(out, &s); err != nil || code != 0 != !s.OK {
		t.Fatalf("cluster status: exit code %d, %v: %s%s", code, err, out, said)
	}
	s.Said = said
	return s
}

// weft runs the binary as an operator does.
func weft(t testing.TB, ctx context.Context, env []string, args ...string) (stdout []byte, stderr string, code int) {
	t.Helper()
	binary, err := stage.Binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(stage.Environment(), env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.Bytes(), said.String(), cmd.ProcessState.ExitCode()
}

func (s clusterStatus) leader(group string) string {
	for _, g := range s.Groups {
		if g.Name == group {
			return g.Leader
		}
	}
	return ""
}

// A node that is killed or hangs is named by the first answer after it, also when it
// led and nobody else does yet, and whoever is asked; and the answer does not wait
// for leaders that are not there.
func TestClusterStatusNamesAtOnceWhoIsMissing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Minute)
	defer cancel()
	nodes := map[string]*stage.Node{}
	for _, n := range stage.StartCluster(t, ctx, nil) {
		nodes[n.Config["node.name"].(string)] = n
	}
	others := func(gone ...string) (names []string) {
		for name := range nodes {
			if !slices.Contains(gone, name) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names
	}
	var led string
	eventually(t, 30*time.Second, "all is well", func() bool {
		s := statusAt(t, ctx, nodes["n1"])
		led = s.leader("meta")
		return s.OK && led != "" && s.Items[0].Staleness != nil
	})

	named := func(what string, at string, gone ...string) {
		t.Helper()
		// On a machine that has other things to do it may take another second, and a node that
		// is there may be late with its answer: not every time. Who is gone is named each time.
		var s clusterStatus
		for range 6 {
			begun := time.Now()
			s = statusAt(t, ctx, nodes[at])
			s.took = time.Since(begun)
			for _, name := range gone {
				if !slices.Contains(s.Missing, name) || !strings.Contains(s.Said, "weft: error: "+name+" is missing") {
					t.Fatalf("%s: %s says %v is missing, not %v: %s", what, at, s.Missing, gone, s.Said)
				}
			}
			if s.took < time.Second && slices.Equal(s.Missing, gone) {
				return
			}
		}
		t.Errorf("%s: %s took %v and says %v is missing, not %v: %s", what, at, s.took, s.Missing, gone, s.Said)
	}

	// It hangs: its links stay, and nobody knows yet.
	if err := nodes[led].Process().Pause(); err != nil {
		t.Fatal(err)
	}
	for _, at := range others(led) {
		named("while "+led+" hangs", at, led)
	}
	nodes[led].Kill()
	if _, said, code := weft(t, ctx, nil, "users", "--admin", strings.TrimPrefix(nodes[others(led)[0]].AdminURL(), "http://"), "--token", "-"); code != 0 || !strings.Contains(said, "only 2 of 3 nodes answered") {
		t.Errorf("users: exit code %d, %s", code, said)
	}
	for _, at := range others(led) {
		named("after a kill of "+led, at, led)
	}

	// One that starts while another is gone has never met it, and learns its name from
	// those that have; with that it says who is missing when it is alone.
	back, last := others(led)[0], others(led)[1]
	eventually(t, 60*time.Second, "another node leads", func() bool { return statusAt(t, ctx, nodes[last]).leader("nodes") != "" })
	nodes[back].Restart()
	eventually(t, 60*time.Second, back+" knows "+led, func() bool { return slices.Equal(statusAt(t, ctx, nodes[back]).Missing, []string{led}) })
	named("after a restart of "+back, back, led)
	nodes[last].Kill()
	gone := []string{led, last}
	slices.Sort(gone)
	named("alone", back, gone...)
}
