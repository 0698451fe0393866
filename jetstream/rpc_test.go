package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/config/testkit/waitfor"
	"weft/jetstream/rpc"
	"weft/jetstream/server"
)

func TestAllNodesAnswerAndNoneWaitsForASlowOne(t *testing.T) {
	t.Parallel()
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	hold, held := make(chan struct{}), make(chan string, 16)
	var slow atomic.Bool
	for _, n := range nodes {
		n.RPC().Handle("echo", 2, func(ctx context.Context, data []byte) []byte {
			if slow.Load() && n.Name() == "n3" {
				held <- n.Name()
				select {
				case <-hold:
				case <-ctx.Done():
				}
			}
			return append([]byte(n.Name()+" "), data...)
		})
		n.RPC().Handle("quick", 2, func(context.Context, []byte) []byte { return []byte("quick") })
		n.RPC().Handle("huge", 2, func(context.Context, []byte) []byte { return bytes.Repeat([]byte("x"), rpc.MaxReply+1) })
	}
	whole := rpc.Coverage{Answered: 3, Expected: 3, Known: 3, Complete: true}
	for _, n := range nodes {
		var a rpc.Replies
		waitfor.True(t, func() bool { a = n.RPC().CallAll(t.Context(), "echo", []byte("x")); return a.Coverage == whole })
		var said []string
		for _, one := range a.List {
			if string(one.Data) != one.Node+" x" {
				t.Errorf("%s says %s", one.Node, one.Data)
			}
			said = append(said, one.Node)
		}
		slices.Sort(said)
		if fmt.Sprint(said) != "[n1 n2 n3]" || a.List[0].Node != n.Name() {
			t.Errorf("%s hears %v, first %s", n.Name(), said, a.List[0].Node)
		}
	}
	n := nodes[0]
	if out, err := n.RPC().Call(t.Context(), "n2", "echo", []byte("y")); err != nil || string(out) != "n2 y" {
		t.Errorf("n2 alone: %s, %v", out, err)
	}
	if _, err := n.RPC().Call(t.Context(), "n9", "echo", nil); !errors.Is(err, rpc.ErrUnreachable) {
		t.Errorf("a node that is not there: %v", err)
	}
	if _, err := n.RPC().Call(t.Context(), "n2", "huge", nil); !errors.Is(err, rpc.ErrNoAnswer) {
		t.Errorf("an answer that is too long: %v", err)
	}

	first := n.RPC().CallUntil(t.Context(), "echo", nil, func(a rpc.Reply) bool { return a.Node != "n1" })
	if len(first.List) < 2 || first.List[len(first.List)-1].Node == "n1" {
		t.Errorf("until another node has answered: %+v", first.List)
	}

	slow.Store(true)
	for range 2 {
		want := rpc.Coverage{Answered: 2, Expected: 3, Known: 3}
		got := n.RPC().CallAll(t.Context(), "echo", nil).Coverage
		for deadline := time.Now().Add(30 * time.Second); got.Answered < 2 && time.Now().Before(deadline); { // a machine that is busy makes the second one late, too
			got = n.RPC().CallAll(t.Context(), "echo", nil).Coverage
		}
		if got != want {
			t.Errorf("while one is slow: %+v", got)
		}
	}
	<-held
	<-held
	try, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	// Two calls are running there, so the third is refused, and other questions
	// are answered.
	if _, err := n.RPC().Call(try, "n3", "echo", nil); !errors.Is(err, rpc.ErrUnreachable) || try.Err() != nil {
		t.Errorf("beyond what may run at once: %v", err)
	}
	if out, err := n.RPC().Call(try, "n3", "quick", nil); err != nil || string(out) != "quick" {
		t.Errorf("another question: %s, %v", out, err)
	}
	close(hold)
	slow.Store(false)
	waitfor.True(t, func() bool { return n.RPC().CallAll(t.Context(), "echo", nil).Coverage == whole })

	nodes[2].Close()
	waitfor.True(t, func() bool {
		return n.RPC().CallAll(t.Context(), "echo", nil).Coverage == rpc.Coverage{Answered: 2, Expected: 2, Known: 3}
	})
}

func TestAnAnswerThatDoesNotComeIsToldFromANodeThatIsNotThere(t *testing.T) {
	t.Parallel()
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	nodes[1].RPC().Handle("never", 1, func(ctx context.Context, _ []byte) []byte { <-ctx.Done(); return nil })
	waitfor.True(t, func() bool { return len(nodes[0].Cluster().Peers()) == 2 })
	try, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := nodes[0].RPC().Call(try, "n2", "never", nil); !errors.Is(err, rpc.ErrNoAnswer) {
		t.Errorf("%v", err)
	}
}

func TestNobodyButNodesMayAskOrListenToQuestions(t *testing.T) {
	cfg := testConfig(t)
	cfg.Node.Users = []server.User{{Name: "p", Password: "p", Role: server.RolePublisher}, {Name: "o", Password: "o", Role: server.RoleOperator}}
	configured, anonymous := open(t, cfg), open(t, testConfig(t))
	for who, c := range map[string]struct {
		node *Node
		opts []nats.Option
	}{
		"publisher": {configured, []nats.Option{nats.UserInfo("p", "p")}},
		"operator":  {configured, []nats.Option{nats.UserInfo("o", "o")}},
		"nobody":    {anonymous, nil},
	} {
		var asked atomic.Int32
		c.node.RPC().Handle("echo", 1, func(context.Context, []byte) []byte { asked.Add(1); return nil })
		refused := make(chan error, 16)
		conn, err := nats.Connect(c.node.ClientURL(), append(c.opts,
			nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))...)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		await := func(what string) {
			t.Helper()
			select {
			case err := <-refused:
				if !errors.Is(err, nats.ErrPermissionViolation) {
					t.Errorf("%s: %s: %v", who, what, err)
				}
			case <-time.After(30 * time.Second):
				t.Errorf("%s may %s", who, what)
			}
		}
		for _, s := range []string{"weft.ask.echo", "weft.ask.echo.n1"} {
			if err := conn.PublishRequest(s, "_INBOX.x", nil); err != nil {
				t.Fatal(err)
			}
			await("publish to " + s)
		}
		for _, s := range []string{"weft.ask.>", "weft.ask.*", "weft.>", ">", server.NodeInbox + ".>"} {
			if _, err := conn.SubscribeSync(s); err != nil {
				t.Fatal(err)
			}
			await("subscribe to " + s)
		}
		if asked.Load() != 0 {
			t.Errorf("%s put a question", who)
		}
	}
}

// BenchmarkCallAll is a call of three nodes in one process.
func BenchmarkCallAll(b *testing.B) {
	nodes := openCluster(b, clusterConfigs(b, 3, 3))
	for _, n := range nodes {
		n.RPC().Handle("echo", 16, func(_ context.Context, data []byte) []byte { return data })
	}
	waitfor.True(b, func() bool { return nodes[0].RPC().CallAll(b.Context(), "echo", nil).Coverage.Complete })
	for b.Loop() {
		if a := nodes[0].RPC().CallAll(b.Context(), "echo", []byte("x")); !a.Coverage.Complete {
			b.Fatalf("%+v", a.Coverage)
		}
	}
}
