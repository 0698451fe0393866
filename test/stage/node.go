package stage

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/config/testkit/waitfor"
)

// startLimit bounds how long a node may take to be ready. It is generous: the
// machine may be busy, and what is fast enough is for a test of its own to say.
const startLimit = time.Minute

// A Node is a weft process that can be stopped, killed and started again on the
// same data folder and the same ports.
type Node struct {
	Config Config
	// Place is where the process runs, nil on loopback. See Network.
	Place *Place
	// Clock is the node's own, nil for the machine's. The process is then one of
	// ClockedBinary.
	Clock *Clock

	t       testing.TB
	file    string
	process *Process
	runs    []*Process

	public, admin, nats string
}

// StartNode starts a node and waits until it is ready. It is killed when the test
// ends; the output of a failed test shows its log.
func StartNode(t testing.TB, config Config) *Node {
	t.Helper()
	n := NewNode(t, config)
	n.Start()
	return n
}

// NewNode makes a node that Start has yet to start.
func NewNode(t testing.TB, config Config) *Node {
	t.Helper()
	n := &Node{Config: config, t: t, file: filepath.Join(t.TempDir(), "weft.yaml")}
	t.Cleanup(func() {
		n.Kill()
		if t.Failed() {
			n.logOutput()
		}
	})
	return n
}

// Start starts the process and waits until it is ready.
func (n *Node) Start() {
	n.t.Helper()
	n.Launch()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	n.AwaitReady(ctx)
}

// Environment is this program's environment without the variables of Weft, which
// would be settings of the developer's own.
func Environment() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "WEFT_") })
}

// Launch starts the process and does not wait.
func (n *Node) Launch() {
	n.t.Helper()
	build, environment := Binary, Environment()
	if n.Clock != nil {
		build, environment = ClockedBinary, append(environment, clockFile+"="+n.Clock.path)
	}
	binary, err := build()
	if err != nil {
		n.t.Fatal(err)
	}
	n.Config.Write(n.t, n.file)
	cmd := exec.Command(binary, "serve", "--config", n.file, "--log-format", "json")
	cmd.Env = environment
	if n.Place != nil {
		n.Place.Enter(cmd)
	}
	if n.process, err = StartProcess("weft", cmd); err != nil {
		n.t.Fatal(err)
	}
	n.runs = append(n.runs, n.process)
}

// ready is the log line with the addresses that a node listens on.
type ready struct {
	Msg    string `json:"msg"`
	Public string `json:"public"`
	Admin  string `json:"admin"`
	NATS   string `json:"nats"`
}

// AwaitReady waits for the log line that tells the addresses, and pins them so
// that the next start uses the same.
func (n *Node) AwaitReady(ctx context.Context) {
	n.t.Helper()
	var r ready
	_, err := n.process.AwaitLine(ctx, func(line string) bool {
		return json.Unmarshal([]byte(line), &r) == nil && r.Msg == "ready"
	})
	if err != nil {
		n.t.Fatalf("wait until ready: %v", err)
	}
	for key, address := range map[string]string{"public.listen": r.Public, "admin.listen": r.Admin, "node.listen": r.NATS} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			n.t.Fatalf("address %q of %s in the line ready: %v", address, key, err)
		}
		n.Config[key] = address
	}
	n.public, n.admin, n.nats = r.Public, r.Admin, r.NATS
}

// URL is the public origin, http://host:port.
func (n *Node) URL() string { return "http://" + n.public }

// Address is the public host:port.
func (n *Node) Address() string { return n.public }

// AdminURL is the origin of the admin listener.
func (n *Node) AdminURL() string { return "http://" + n.admin }

// AdminToken is the token that the admin listener asks for, "" when it does not.
func (n *Node) AdminToken() string {
	token, _ := n.Config["admin.token"].(string)
	return token
}

// NATSAddress is the host:port for NATS clients.
func (n *Node) NATSAddress() string { return n.nats }

// Process is the running or last process.
func (n *Node) Process() *Process { return n.process }

// Kill ends the process with SIGKILL.
func (n *Node) Kill() {
	if n.process != nil {
		n.process.Kill()
	}
}

// Restart kills the process and starts it again.
func (n *Node) Restart() {
	n.t.Helper()
	n.Kill()
	n.Start()
}

// Stop ends the process with SIGTERM and returns its exit code.
func (n *Node) Stop() int {
	n.t.Helper()
	if err := n.process.Signal(syscall.SIGTERM); err != nil {
		n.t.Fatalf("signal weft: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	code, err := n.process.Wait(ctx)
	if err != nil {
		n.t.Fatal(err)
	}
	return code
}

// NATSOptions are what a NATS client needs to be let in: those of Publisher where
// the port asks for a user, else none.
func (n *Node) NATSOptions() []nats.Option {
	if _, ok := n.Config["node.users"]; !ok {
		return nil
	}
	return []nats.Option{nats.UserInfo(Publisher, PublisherPassword), nats.CustomInboxPrefix("_INBOX_" + Publisher)}
}

// patient is an option of NATS clients: a machine that is busy may take longer than the
// two seconds in which a library wants to be connected.
var patient = nats.Timeout(20 * time.Second)

// NATS connects a NATS client until the test ends.
func (n *Node) NATS(options ...nats.Option) *nats.Conn {
	n.t.Helper()
	nc, err := nats.Connect("nats://"+n.nats, append(append(n.NATSOptions(), patient), options...)...)
	if err != nil {
		n.t.Fatalf("connect to nats: %v", err)
	}
	n.t.Cleanup(nc.Close)
	return nc
}

// Publish stores an event of JSON as an operator, by a query such as "user=ann&type=note". It has a
// key: without one the node gives up what is not stored after two seconds, which happens on a busy
// machine. Publish may be called concurrently.
func (n *Node) Publish(ctx context.Context, query, data string) error {
	key := rand.Text()
	for end := time.Now().Add(time.Minute); ; {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, n.AdminURL()+"/_weft/v1/events?"+query, strings.NewReader(data))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", key)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		why, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		switch {
		case err != nil:
			return err
		case answer.StatusCode == http.StatusAccepted:
			return nil
		case answer.StatusCode != http.StatusServiceUnavailable || time.Now().After(end):
			return fmt.Errorf("publish %s: %s %s", query, answer.Status, why)
		}
		if err := waitfor.Time(ctx, 50*time.Millisecond); err != nil { // a node that is not ready says so at once
			return err
		}
	}
}

// Output is what all processes of the node have written that is kept, oldest first.
func (n *Node) Output() (lines []string) {
	for _, p := range n.runs {
		lines = append(lines, p.Output()...)
	}
	return lines
}

func (n *Node) logOutput() {
	for i, p := range n.runs {
		lines := p.Output()
		if len(lines) > 60 {
			lines = lines[len(lines)-60:]
		}
		n.t.Logf("last output of weft, start %d of %d:\n%s", i+1, len(n.runs), strings.Join(lines, "\n"))
	}
}
