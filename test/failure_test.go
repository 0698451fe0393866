package test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weft/test/stage"
)

// refuses runs weft serve and returns its output. It fails the test unless the
// process ends by itself, with failure and with one sentence for the operator.
func refuses(t *testing.T, file string, env ...string) string {
	t.Helper()
	binary, err := stage.Binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "serve", "--config", file, "--log-format", "json")
	cmd.Env = append(stage.Environment(), env...)
	cmd.Dir = filepath.Dir(file)
	p, err := stage.StartProcess("weft", cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	code, err := p.Wait(soon(t))
	out := strings.Join(p.Output(), "\n")
	if err != nil {
		t.Fatalf("%v; output:\n%s", err, out)
	}
	if code == 0 {
		t.Errorf("exit code 0; output:\n%s", out)
	}
	if !strings.Contains(out, "weft: error: ") {
		t.Errorf("no line begins with weft: error: in the output:\n%s", out)
	}
	if strings.Contains(out, "panic") || strings.Contains(out, "goroutine ") {
		t.Errorf("a stack trace is no message:\n%s", out)
	}
	if strings.Contains(out, `"msg":"ready"`) {
		t.Errorf("it was ready before it failed:\n%s", out)
	}
	return out
}

// A configuration that cannot work refuses to start and names file, line and key.
func TestWrongConfigurationNamesFileLineAndKey(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int
		key        string
	}{
		{"an unknown key", "public:\n  listn: 127.0.0.1:0\n", 2, "public.listn"},
		{"an unknown section", "node:\n  name: a\nevent:\n  max_age: 1h\n", 3, "event"},
		{"a word for a number", "events:\n  max_per_subject: many\n", 2, "events.max_per_subject"},
		{"a list for a word", "node:\n  data_dir: [a]\n", 2, "node.data_dir"},
		{"a word for a section", "events: all\n", 1, "events"},
		{"a bad duration", "events:\n  max_bytes: 1GiB\n  max_age: 24 hours\n", 3, "events.max_age"},
		{"a bad size", "events:\n  max_bytes: 1 gig\n", 2, "events.max_bytes"},
		{"a value out of bounds", "events:\n  max_per_subject: 0\n", 2, "events.max_per_subject"},
		{"a key that is there twice", "events:\n  max_age: 1h\n  max_age: 2h\n", 3, "max_age"},
		{"a bad address", "public:\n  listen: nowhere\n", 2, "public.listen"},
		{"a cluster", "node:\n  name: n1\ncluster:\n  name: weft\n  size: 3\n", 3, "cluster"},
		{"NATS for all without users", "node:\n  listen: 0.0.0.0:4222\n", 2, "node.listen"},
		{"admin for all without a token", "node:\n  name: n1\nadmin:\n  listen: 0.0.0.0:4010\n", 3, "admin.token: is empty and admin.listen"},
		{"no tokens and a public address", "auth:\n  mode: none\npublic:\n  listen: 0.0.0.0:4000\n", 2, "auth.mode"},
		{"an unknown mode", "auth:\n  mode: jvt\n", 2, "auth.mode"},
		{"an unknown algorithm", "auth:\n  issuers:\n    - keys:\n        - alg: HS257\n          secret: 0123456789abcdef0123456789abcdef\n", 4, "auth.issuers[0].keys[0].alg"},
		{"a bad template", "auth:\n  subscribe: [\"user.{sub}\"]\n", 2, "auth.subscribe"},
		{"a source without addressee", "kafka:\n  brokers: [localhost:9092]\n  sources:\n    - topic: orders\n", 4, "kafka.sources[0]"},
		{"a source with a bad template", "kafka:\n  brokers: [localhost:9092]\n  sources:\n    - topic: orders\n      to: [\"user.{nothing}\"]\n", 5, "kafka.sources[0].to"},
		{"an unknown start", "kafka:\n  brokers: [localhost:9092]\n  sources:\n    - topic: orders\n      to: [\"user.{key}\"]\n      start: middle\n", 6, "kafka.sources[0].start"},
		{"an unknown mechanism", "kafka:\n  brokers: [localhost:9092]\n  sasl:\n    mechanism: NTLM\n    user: a\n    password: b\n  sources:\n    - topic: orders\n      to: [\"user.{key}\"]\n", 4, "kafka.sasl.mechanism"},
		{"no YAML", "node:\n\tname: a\n", 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "weft.yaml")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			out := refuses(t, file)
			var said string
			for line := range strings.Lines(out) {
				if strings.HasPrefix(line, "weft: error: ") {
					said += line
				}
			}
			if want := fmt.Sprintf("weft.yaml:%d:", c.line); !strings.Contains(said, want) || !strings.Contains(said, c.key) {
				t.Errorf("want %s and %s in: %s", want, c.key, said)
			}
		})
	}
}

// All that is wrong is told at once, and a variable is named like a key is.
func TestWrongConfigurationTellsAllAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weft.yaml")
	text := "events:\n  max_age: soon\n  max_bytes: much\nadmin:\n  colour: red\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := refuses(t, file, "WEFT_EVENTS_MAX_PER_SUBJECT=few", "WEFT_NODE_COLOUR=red")
	for _, want := range []string{"weft.yaml:2: events.max_age", "weft.yaml:3: events.max_bytes", "weft.yaml:5: admin.colour",
		"WEFT_EVENTS_MAX_PER_SUBJECT", "WEFT_NODE_COLOUR"} {
		if !strings.Contains(out, want) {
			t.Errorf("no word about %s in:\n%s", want, out)
		}
	}
}

// wants checks that the output has the words, and a hint.
func wants(t *testing.T, out string, words ...string) {
	t.Helper()
	for _, w := range append(words, "weft: hint: ") {
		if !strings.Contains(out, w) {
			t.Errorf("want %q in:\n%s", w, out)
		}
	}
}

func configFile(t *testing.T, c stage.Config) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "weft.yaml")
	c.Write(t, file)
	return file
}

func TestPortInUseIsSaid(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	for _, key := range []string{"public.listen", "admin.listen", "node.listen"} {
		t.Run(key, func(t *testing.T) {
			out := refuses(t, configFile(t, stage.Settings(t.TempDir()).With(key, address)))
			wants(t, out, address, "in use")
		})
	}
}

func TestDataFolderThatCannotBeUsedIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, []byte("not a folder"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"a file": file, "below a file": filepath.Join(file, "data"), "no disk": "/proc/weft"} {
		t.Run(name, func(t *testing.T) {
			wants(t, refuses(t, configFile(t, stage.Settings(path))), path)
		})
	}
}

func TestDataFolderOfARunningNodeIsRefused(t *testing.T) {
	dir := t.TempDir()
	node := stage.StartNode(t, stage.Settings(dir))
	wants(t, refuses(t, configFile(t, stage.Settings(dir))), dir)
	publish(t, node, "ann", "", []byte("the first one is not harmed"))
}

func TestOtherNameOnADataFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	node := stage.StartNode(t, stage.Settings(dir))
	node.Stop()
	wants(t, refuses(t, configFile(t, stage.Settings(dir).With("node.name", "n2"))), "n1", "n2")
}

func TestConfigurationFileThatIsMissingIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "none.yaml")
	wants(t, refuses(t, file), file)
}

func TestKeyFileThatIsMissingIsSaid(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "key.pem")
	config := stage.Settings(t.TempDir()).With("auth.issuers",
		[]any{map[string]any{"keys": []any{map[string]any{"alg": "RS256", "file": missing}}}})
	if out := refuses(t, configFile(t, config)); !strings.Contains(out, missing) {
		t.Errorf("want %s in:\n%s", missing, out)
	}
}

// logged waits for a line of the log that holds all the words.
func logged(t *testing.T, n *stage.Node, words ...string) {
	t.Helper()
	_, err := n.Process().AwaitLine(within(t, 40*time.Second), func(line string) bool {
		for _, w := range words {
			if !strings.Contains(strings.ToLower(line), strings.ToLower(w)) {
				return false
			}
		}
		return true
	})
	if err != nil {
		t.Errorf("no line of the log holds %q: %v", words, err)
	}
}
