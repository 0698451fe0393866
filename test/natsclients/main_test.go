package natsclients

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"weft/test/client"
	"weft/test/stage"
)

func TestMain(m *testing.M) {
	if _, err := Installed(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	stage.RemoveBinary()
	os.Exit(code)
}

const (
	operator = "ops"
	password = "a password of the tests"
)

// users are one of each role.
func users() []any {
	return []any{
		map[string]any{"name": operator, "password": password, "role": "operator"},
		map[string]any{"name": stage.Publisher, "password": stage.PublisherPassword, "role": "publisher"},
	}
}

// who are those who may connect, with the settings of a node that lets them in.
type who struct {
	name     string
	settings map[string]any
	login    Login // without the URL
}

var (
	local       = who{name: "local client"}
	asOperator  = who{name: "operator", settings: map[string]any{"node.users": users()}, login: Login{User: operator, Password: password}}
	asPublisher = who{name: "publisher", settings: map[string]any{"node.users": users()},
		login: Login{User: stage.Publisher, Password: stage.PublisherPassword}}
	asPublisherOfOldInbox = who{name: "publisher with an inbox prefix", settings: map[string]any{"node.users": users()},
		login: Login{User: stage.Publisher, Password: stage.PublisherPassword, InboxPrefix: "_INBOX_" + stage.Publisher}}
)

func (w who) node(t *testing.T) *stage.Node {
	settings := stage.Settings(t.TempDir())
	for key, value := range w.settings {
		settings.With(key, value)
	}
	return stage.StartNode(t, settings)
}

// A hand uses a client in a test.
type hand struct {
	t *testing.T
	Client
}

func (w who) connect(t *testing.T, lib Library, n *stage.Node) hand {
	t.Helper()
	login := w.login
	login.URL = "nats://" + n.NATSAddress()
	c, err := lib.Open(soon(t), login)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(c.Close)
	return hand{t, c}
}

// do does what must succeed.
func (h hand) do(r Request) Answer {
	h.t.Helper()
	a, err := h.Do(soon(h.t), r)
	if err != nil {
		h.t.Fatalf("%s of %s%s: %v", r.Op, r.Bucket+" "+r.Key, r.Subject, err)
	}
	return a
}

// refused does what must fail, and returns the error's text.
func (h hand) refused(r Request) string {
	h.t.Helper()
	a, err := h.Do(soon(h.t), r)
	if err == nil {
		h.t.Fatalf("%s of %s%s: answered %+v, want an error", r.Op, r.Bucket+" "+r.Key, r.Subject, a)
	}
	return err.Error()
}

// soon bounds the wait for something that should come at once. It is generous:
// the machine may be busy.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// forming bounds the wait for a cluster, of which several may form at the same time.
func forming(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// listen follows events over SSE until the test ends.
func listen(t *testing.T, n *stage.Node, user string, claims stage.Claims) *client.Recorder {
	t.Helper()
	r, err := client.Record(context.Background(), client.SSE, client.Target{URL: n.URL(), Token: stage.Token(t, user, claims)})
	if err != nil {
		t.Fatalf("connect as %s: %v", user, err)
	}
	t.Cleanup(r.Close)
	if _, err := r.AwaitType(soon(t), client.TypeOpen); err != nil {
		t.Fatalf("wait for weft.open: %v", err)
	}
	return r
}

// awaitCut waits until a connection has been closed because its token is revoked.
func awaitCut(t *testing.T, r *client.Recorder) {
	t.Helper()
	ended, err := r.AwaitType(soon(t), client.TypeClose)
	if err != nil {
		t.Fatalf("wait until cut: %v", err)
	}
	var ending client.Ending
	if err := decode(ended.Data, &ending); err != nil || ending.Reason != "revoked" {
		t.Fatalf("the connection ended with %q, want revoked", ended.Data)
	}
}
