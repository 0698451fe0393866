package natsconn_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"weft/config/testkit/testlog"
	"weft/jetstream/event"
	"weft/jetstream/natsconn"
	"weft/jetstream/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open starts a server that ends with the test, and connects to it.
func open(t *testing.T) (*server.Server, *nats.Conn) {
	t.Helper()
	srv := server.New(server.Config{Node: server.NodeConfig{Name: "n1", DataDir: t.TempDir(), Listen: "127.0.0.1:0"}}, testlog.To(t))
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	nc, err := srv.Connect(server.NodeUser, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return srv, nc
}

// next is what comes next of a channel.
func next(t *testing.T, from <-chan string) string {
	t.Helper()
	select {
	case s := <-from:
		return s
	case <-time.After(30 * time.Second):
		t.Fatal("nothing comes")
		return ""
	}
}

func TestALiveHearsAgainWhatItSubscribedToAfterALostConnection(t *testing.T) {
	srv, nc := open(t)
	came, told := make(chan string, 100), make(chan string, 100)
	l, err := natsconn.OpenLive(func() (*natsconn.Conn, error) { return srv.Dial(server.NodeUser, "live") },
		func(c *event.Copy) { came <- string(c.Subject) }, func(why string) { told <- why })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	publish := func(subjects ...string) {
		t.Helper()
		for _, s := range subjects {
			if err := nc.Publish(s, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	flush := func() {
		t.Helper()
		if err := l.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ann := l.Subscribe("out.user.ann")
	l.Subscribe("out.user.bob")
	flush()
	publish("out.user.ann", "out.user.eve", "out.user.bob")
	if a, b := next(t, came), next(t, came); a != "out.user.ann" || b != "out.user.bob" {
		t.Fatalf("%s and %s came", a, b)
	}

	reconnect := func() {
		t.Helper()
		l.Reconnect()
		if why := next(t, told); !strings.HasPrefix(why, "disconnected: ") {
			t.Errorf("told %q", why)
		}
		if why := next(t, told); why != "reconnected" {
			t.Errorf("told %q", why)
		}
	}
	reconnect()
	publish("out.user.ann")
	if s := next(t, came); s != "out.user.ann" {
		t.Errorf("%s came", s)
	}

	l.Unsubscribe(ann)
	for _, settle := range []func(){flush, reconnect} {
		settle()
		publish("out.user.ann", "out.user.bob")
		if s := next(t, came); s != "out.user.bob" {
			t.Errorf("%s came after the end of its subscription", s)
		}
	}

	l.Close()
	if err := l.Flush(t.Context()); !errors.Is(err, natsconn.ErrClosed) {
		t.Errorf("flush of a closed one: %v", err)
	}
	if len(told) > 0 {
		t.Errorf("told %q at the end", <-told)
	}
}

// A login that the server refuses is an error, and ends the connection.
func TestALoginThatIsRefusedFails(t *testing.T) {
	srv, _ := open(t)
	conn, err := srv.InProcessConn()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := natsconn.Open(conn, natsconn.Login{User: server.NodeUser, Password: "another one", Name: "test"}); err == nil {
		t.Error("it is let in")
	}
	if _, err := conn.Write([]byte("PING\r\n")); err == nil {
		t.Error("the connection is open")
	}
}
