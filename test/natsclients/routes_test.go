package natsclients

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/test/stage"
)

// sent finds in a trace of the nats command what it has asked JetStream for.
var sent = regexp.MustCompile(`>>> \$JS\.API\.(\S+)`)

// madeUp is the name of a consumer, which the command makes up.
var madeUp = regexp.MustCompile(`(CONSUMER\.(?:CREATE|DELETE)\.KV_routes)\.[A-Za-z0-9]+`)

// calls are those of a trace, each once, in order of the alphabet.
func calls(trace string) []string {
	var all []string
	for _, m := range sent.FindAllStringSubmatch(trace, -1) {
		all = append(all, madeUp.ReplaceAllString(m[1], "$1.*"))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

const (
	callInfo   = "STREAM.INFO.KV_routes"
	callDirect = "DIRECT.GET.KV_routes"
	callPurge  = "STREAM.PURGE.KV_routes"
	callCreate = "CONSUMER.CREATE.KV_routes.*"
	callDelete = "CONSUMER.DELETE.KV_routes.*"
	ofOrders   = ".$KV.routes.orders"
	ofAll      = ".$KV.routes.>"
)

// The nats command does with routes all that its manual says, for those who may: these
// are the calls that it makes, and what is served after each.
func TestTheCommandChangesRoutesByTheseCalls(t *testing.T) {
	document := func(target, path string) string {
		return fmt.Sprintf(`{"pattern":%q,"target":%q,"auth":{"mode":"none"}}`, path, target)
	}
	for _, w := range []who{local, asOperator} {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			n := w.node(t)
			back := stage.StartBackend(t, nil).URL()
			h := w.connect(t, Libraries()[0], n)
			c := h.Client.(*command)
			revision := uint64(0)
			for _, step := range []struct {
				args   string // a path stands for a document
				calls  []string
				stores uint64 // how many revisions it makes
				serves string // the path that is served then; "" for none
			}{
				{"create routes orders /1", []string{callInfo}, 1, "/1"},
				{"put routes orders /2", []string{callInfo}, 1, "/2"},
				{"update routes orders /3 2", []string{callInfo}, 1, "/3"},
				{"get routes orders", []string{callDirect + ofOrders, callInfo}, 0, "/3"},
				{"history routes orders", []string{callCreate + ofOrders, callDelete, callInfo}, 0, "/3"},
				{"revert --force routes orders 1", []string{callCreate + ofOrders, callDelete, callDirect, callInfo}, 1, "/1"},
				{"del -f routes orders", []string{callInfo}, 1, ""},
				{"create routes orders /4", []string{callDirect + ofOrders, callInfo}, 1, "/4"},
				{"purge -f routes orders", []string{callInfo}, 1, ""},
				{"put routes orders /5", []string{callInfo}, 1, "/5"},
				{"ls routes", []string{callCreate + ofAll, callDelete, callInfo}, 0, "/5"},
				{"status routes", []string{callInfo}, 0, "/5"},
				{"compact -f routes", []string{callCreate + ofAll, callDelete, callInfo}, 0, "/5"},
				{"del -f routes orders", []string{callInfo}, 1, ""},
				{"compact -f routes", []string{callCreate + ofAll, callDelete, callInfo, callPurge}, 0, ""},
			} {
				args := []string{"--trace", "kv"}
				for word := range strings.FieldsSeq(step.args) {
					if word[0] == '/' {
						word = document(back, word)
					}
					args = append(args, word)
				}
				trace, err := c.run(soon(t), nil, args...)
				if err != nil {
					t.Fatalf("nats kv %s: %v", step.args, err)
				}
				want := slices.Sorted(slices.Values(step.calls))
				if got := calls(trace); !slices.Equal(got, want) {
					t.Errorf("nats kv %s calls\n%q, want\n%q", step.args, got, want)
				}
				if revision += step.stores; step.stores > 0 {
					stage.AwaitRoutes(t, revision, n)
				}
				for i := range 5 {
					path, status := fmt.Sprintf("/%d", i+1), 404
					if path == step.serves {
						status = 200
					}
					if got := ask(t, n.URL()+path); got != status {
						t.Errorf("after nats kv %s: %s is answered by %d", step.args, path, got)
					}
				}
			}
			if got := calls(watched(t, c)); !slices.Equal(got, []string{callCreate + ofAll, callInfo}) {
				t.Errorf("nats kv watch calls %q", got)
			}
		})
	}
}

// watched is the trace of a watch up to where it follows.
func watched(t *testing.T, c *command) string {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	cmd := c.command(ctx, "--trace", "kv", "watch", "routes")
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	return traceUntil(t, cmd, stop, ">>> $JS.API.CONSUMER.CREATE")
}

func traceUntil(t *testing.T, cmd *exec.Cmd, stop func(), last string) string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer stop()
	var trace strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(&trace, lines.Text())
		if strings.Contains(lines.Text(), last) {
			break
		}
	}
	return trace.String()
}

func ask(t *testing.T, url string) int {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}
