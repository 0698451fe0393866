package deploy

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"weft/test/stage"
)

// instructions are the Dockerfile's, by their name, with continued lines joined.
func instructions(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
		if name, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name != "#" {
			all[name] = append(all[name], rest)
		}
	}
	return all
}

// only is the one instruction of that name, in exec form: the image has no shell.
func only(t *testing.T, name string) []string {
	t.Helper()
	have := instructions(t)[name]
	if len(have) == 0 {
		t.Fatalf("the Dockerfile has no %s", name)
	}
	last := have[len(have)-1]
	var words []string
	if err := json.Unmarshal([]byte(last[strings.Index(last, "["):]), &words); err != nil {
		t.Fatalf("%s is not in exec form: %s", name, last)
	}
	return words
}

// The image's command and its health check, run with the image's environment, find
// each other: healthy while the node lets clients in, else not.
func TestTheImagesHealthCheckTells(t *testing.T) {
	binary, err := stage.Binary()
	if err != nil {
		t.Fatal(err)
	}
	env := append(stage.Environment(), "WEFT_PUBLIC_LISTEN=127.0.0.1:0", "WEFT_NODE_LISTEN=127.0.0.1:0",
		"WEFT_ADMIN_LISTEN="+stage.FreeAddress(t), "WEFT_ADMIN_TOKEN=operator", "WEFT_PUBLIC_DRAIN_WINDOW=0s")
	for _, line := range instructions(t)["ENV"] {
		for _, kv := range strings.Fields(line) {
			env = append(env, strings.ReplaceAll(kv, "=/data", "="+t.TempDir()))
		}
	}
	start, check := only(t, "ENTRYPOINT"), only(t, "HEALTHCHECK")
	start = append(start, only(t, "CMD")...)
	if start[0] != check[0] {
		t.Fatalf("the image has no program %s, but %s", check[0], start[0])
	}
	healthy := func() int {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, binary, check[1:]...)
		cmd.Env = env
		if err := cmd.Run(); cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode()
	}
	if code := healthy(); code != 1 {
		t.Errorf("without a node: exit code %d", code)
	}

	cmd := exec.Command(binary, start[1:]...)
	cmd.Env = env
	node, err := stage.StartProcess("weft", cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := node.AwaitLine(ctx, regexp.MustCompile("msg=ready ").MatchString); err != nil {
		t.Fatal(err)
	}
	if code := healthy(); code != 0 {
		t.Errorf("with a node that is ready: exit code %d", code)
	}
	node.Kill()
	if code := healthy(); code != 1 {
		t.Errorf("after its end: exit code %d", code)
	}
}
