package natsclients

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/test/client"
	"weft/test/stage"
)

var (
	codeLine = regexp.MustCompile(`(?m)^    (nats .*)$`)
	codeSpan = regexp.MustCompile("`(nats [^`]*)`")
	// portLine speaks NATS to the port that a node has by default.
	portLine  = regexp.MustCompile(`(?m)^    (printf .*/dev/tcp/127\.0\.0\.1/4222)$`)
	userFlags = regexp.MustCompile(`--user (\S+) --password '(.*?)'`)
)

// typed are the lines that the README and docs/ tell the reader to type.
func typed(t *testing.T) (lines []string) {
	paths, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no pages in docs/: %v", err)
	}
	var text []byte
	for _, path := range append(paths, filepath.Join("..", "..", "README.md")) {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, page...), '\n')
	}
	for _, form := range []*regexp.Regexp{codeLine, codeSpan, portLine} {
		found := form.FindAllSubmatch(text, -1)
		if len(found) == 0 {
			t.Errorf("README and docs/ have no line of the form %v", form)
		}
		for _, m := range found {
			if line := string(m[1]); !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// effects say what a line must do, by what it begins with.
var effects = []struct {
	line  *regexp.Regexp
	check func(*testing.T, *shell, []string)
}{
	{regexp.MustCompile(`^nats (?:--user \S+ --password '.*' )?(?:pub|req) (?:--jetstream )?(?:-H ce-type:(\S+) )?user\.(\w+) '(.*)'$`), delivers},
	{regexp.MustCompile(`^nats (?:pub|req) in\.(\w+) '(\{"customer":\{"id":"(\w+)"\},"state":"(\w+)"\})'$`), places},
	{regexp.MustCompile(`^printf 'PUB() user\.(\w+) \d+\\r\\n(.*)\\r\\n' > /dev/tcp/.*$`), delivers},
	{regexp.MustCompile(`^nats kv put blacklist user\.(\w+) (\w+)$`), cutsUser},
	{regexp.MustCompile(`^nats kv put blacklist (\w+) (\w+|'reason: .+')$`), cutsSession},
	{regexp.MustCompile(`^nats kv put blacklist (\w+) ''$`), readsInput},
	{regexp.MustCompile(`^nats kv create --ttl 1h blacklist (\w+) (\w+)$`), cutsForAnHour},
	{regexp.MustCompile(`^nats kv del -f blacklist (\w+)$`), letsIn},
	{regexp.MustCompile(`^nats kv ls blacklist$`), lists},
	{regexp.MustCompile(`^nats kv put routes \w+ '\{"pattern": "GET (/\w+)".*\}'$`), putsRoute},
	{regexp.MustCompile(`^nats kv revert --force routes (\w+) 1$`), revertsRoute},
	{regexp.MustCompile(`^nats req '\$JS\.API\.STREAM\.PURGE\.KV_routes' '\{"filter": "\$KV\.routes\.(\w+)", "keep": 1\}'$`), purgesVersions},
	{regexp.MustCompile(`^nats reply (svc\.\w+) '(.*)'$`), serves},
	{regexp.MustCompile(`^nats micro ls$`), seesServices},
	{regexp.MustCompile(`^nats req -H weft-status:(\d+) reply\.<correlation> '(.*)'$`), answersLater},
}

// Each line of README and docs/ that uses the NATS port does what is said there.
func TestWhatTheDocsSayToTypeDoesWhatTheySay(t *testing.T) {
	for _, line := range typed(t) {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			settings := stage.Settings(t.TempDir())
			if m := userFlags.FindStringSubmatch(line); m != nil {
				settings.With("node.users", []any{map[string]any{"name": m[1], "password": m[2], "role": "publisher"}})
			}
			if m := regexp.MustCompile(` in\.(\w+) `).FindStringSubmatch(line); m != nil {
				settings.With("ingest.rules", []any{map[string]any{"name": m[1], "to": []string{"user.{/customer/id}"}, "type": "order.{/state}"}})
			}
			for _, e := range effects {
				if m := e.line.FindStringSubmatch(line); m != nil {
					e.check(t, &shell{t: t, node: stage.StartNode(t, settings), line: line}, m[1:])
					return
				}
			}
			t.Error("nobody said what this line must do; add it to effects")
		})
	}
}

// A shell types a line on the machine of a node.
type shell struct {
	t    *testing.T
	node *stage.Node
	line string
}

// command is the line in a shell, which is killed when ctx ends.
func (s *shell) command(ctx context.Context) *exec.Cmd {
	s.t.Helper()
	folder, err := Installed()
	if err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(folder, "bin") + string(os.PathListSeparator) + os.Getenv("PATH")
	port := "/127.0.0.1/" + s.node.NATSAddress()[strings.LastIndex(s.node.NATSAddress(), ":")+1:]
	cmd := exec.CommandContext(ctx, "bash", "-c", strings.Replace(s.line, "/127.0.0.1/4222", port, 1))
	cmd.Env = environment(Login{URL: "nats://" + s.node.NATSAddress()}, "HOME="+s.t.TempDir(), "PATH="+path)
	return cmd
}

// run types the line and returns what it printed.
func (s *shell) run(stdin string) string {
	s.t.Helper()
	cmd := s.command(soon(s.t))
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", s.line, err, out)
	}
	return string(out)
}

// delivers is for a publish of a type and a payload to a user.
func delivers(t *testing.T, s *shell, m []string) {
	r := listen(t, s.node, m[1], nil)
	out := s.run("")
	events, err := r.AwaitEvents(soon(t), 1)
	if err != nil {
		t.Fatalf("wait for the event: %v; the command printed\n%s", err, out)
	}
	if e := events[0]; e.Type != m[0] || string(e.Data) != m[2] {
		t.Errorf("it was delivered as type %q and data %q", e.Type, e.Data)
	}
	for word, answer := range map[string]string{" req ": `"stream":"EVENTS"`, " req in.": `"ids":["`, " --jetstream ": "Stored in Stream: EVENTS"} {
		if strings.Contains(s.line, word) && !strings.Contains(out, answer) {
			t.Errorf("it printed %q, want the acknowledgement", out)
		}
	}
}

// places is for a publish to a rule, of an order in a state of a customer.
func places(t *testing.T, s *shell, m []string) {
	delivers(t, s, []string{"order." + m[3], m[2], m[1]})
}

func cutsUser(t *testing.T, s *shell, m []string) {
	r, other := listen(t, s.node, m[0], nil), listen(t, s.node, "somebody", nil)
	s.run("")
	awaitCut(t, r)
	if err := other.Err(); err != nil {
		t.Errorf("another user was cut, too: %v", err)
	}
}

func cutsSession(t *testing.T, s *shell, m []string) {
	r, other := listen(t, s.node, "ann", stage.Claims{"jti": m[0]}), listen(t, s.node, "ann", stage.Claims{"jti": "another"})
	s.run("")
	awaitCut(t, r)
	if err := other.Err(); err != nil {
		t.Errorf("another session was cut, too: %v", err)
	}
}

func cutsForAnHour(t *testing.T, s *shell, m []string) {
	before := time.Now()
	cutsSession(t, s, m)
	answer, err := http.Get(s.node.AdminURL() + "/_weft/v1/blacklist/" + m[0])
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var entry struct{ Expires time.Time }
	if err := json.NewDecoder(answer.Body).Decode(&entry); err != nil {
		t.Fatal(err)
	}
	if entry.Expires.Before(before.Add(59*time.Minute)) || entry.Expires.After(time.Now().Add(61*time.Minute)) {
		t.Errorf("the entry ends at %v, want in an hour", entry.Expires)
	}
}

// readsInput is for a put whose value, although it seems empty, is standard input.
func readsInput(t *testing.T, s *shell, m []string) {
	s.run("from standard input")
	h := local.connect(t, Libraries()[0], s.node)
	if got := h.do(Request{Op: OpGet, Bucket: "blacklist", Key: m[0]}).Entries; len(got) != 1 || got[0].Value != "from standard input" {
		t.Errorf("the value is %+v, want what was on standard input", got)
	}
}

// revoke puts an entry and waits until the node keeps to it.
func (s *shell) revoke(session string) {
	s.t.Helper()
	r := listen(s.t, s.node, "ann", stage.Claims{"jti": session})
	local.connect(s.t, Libraries()[0], s.node).do(Request{Op: OpPut, Bucket: "blacklist", Key: session, Value: "revoked"})
	awaitCut(s.t, r)
}

func letsIn(t *testing.T, s *shell, m []string) {
	s.revoke(m[0])
	s.run("")
	target := client.Target{URL: s.node.URL(), Token: stage.Token(t, "ann", stage.Claims{"jti": m[0]})}
	for ctx := soon(t); ; {
		c, err := client.Open(ctx, client.SSE, target)
		if err == nil {
			c.Close()
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("not let in again: %v", err)
		}
	}
}

func lists(t *testing.T, s *shell, _ []string) {
	s.revoke("s9")
	if out := s.run(""); strings.TrimSpace(out) != "s9" {
		t.Errorf("it printed %q, want the entry", out)
	}
}
