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
	"github.com/prometheus/client_golang/prometheus"
)

func TestANodeAloneAnswersItself(t *testing.T) {
	n := open(t, testConfig(t))
	n.Handle("echo", 1, func(_ context.Context, data []byte) []byte { return append([]byte("n1 "), data...) })
	a := n.Ask(t.Context(), "echo", []byte("x"))
	if len(a.List) != 1 || a.List[0].Node != "n1" || string(a.List[0].Data) != "n1 x" ||
		a.Tally != (Tally{Answered: 1, Expected: 1, Known: 1, Complete: true}) {
		t.Errorf("%+v", a)
	}
	if out, err := n.AskNode(t.Context(), "n1", "echo", []byte("y")); err != nil || string(out) != "n1 y" {
		t.Errorf("%s, %v", out, err)
	}
	if a := n.Ask(t.Context(), "unknown", nil); a.Tally.Complete || len(a.List) != 0 {
		t.Errorf("a question that nobody answers: %+v", a)
	}
}

func TestAQuestionBeforeTheNodeIsOpenIsAnsweredByItself(t *testing.T) {
	configs := clusterConfigs(t, 3, 3)
	n := New(configs[0], logTo(t), prometheus.NewRegistry())
	n.Handle("echo", 1, func(context.Context, []byte) []byte { return nil })
	if a := n.Ask(t.Context(), "echo", nil); a.Tally != (Tally{Answered: 1, Expected: 1, Known: 3}) {
		t.Errorf("%+v", a)
	}
	if _, err := n.AskNode(t.Context(), "n2", "echo", nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("another node: %v", err)
	}
}

func TestAllNodesAnswerAndNoneWaitsForASlowOne(t *testing.T) {
	t.Parallel()
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	hold, held := make(chan struct{}), make(chan string, 16)
	var slow atomic.Bool
	for _, n := range nodes {
		n.Handle("echo", 2, func(ctx context.Context, data []byte) []byte {
			if slow.Load() && n.Name() == "n3" {
				held <- n.Name()
				select {
				case <-hold:
				case <-ctx.Done():
				}
			}
			return append([]byte(n.Name()+" "), data...)
		})
		n.Handle("quick", 2, func(context.Context, []byte) []byte { return []byte("quick") })
		n.Handle("huge", 2, func(context.Context, []byte) []byte { return bytes.Repeat([]byte("x"), maxAnswer+1) })
	}
	whole := Tally{Answered: 3, Expected: 3, Known: 3, Complete: true}
	for _, n := range nodes {
		var a Answers
		waitFor(t, func() bool { a = n.Ask(t.Context(), "echo", []byte("x")); return a.Tally == whole })
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
	if out, err := n.AskNode(t.Context(), "n2", "echo", []byte("y")); err != nil || string(out) != "n2 y" {
		t.Errorf("n2 alone: %s, %v", out, err)
	}
	if _, err := n.AskNode(t.Context(), "n9", "echo", nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a node that is not there: %v", err)
	}
	if _, err := n.AskNode(t.Context(), "n2", "huge", nil); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("an answer that is too long: %v", err)
	}

	first := n.AskUntil(t.Context(), "echo", nil, func(a Answer) bool { return a.Node != "n1" })
	if len(first.List) < 2 || first.List[len(first.List)-1].Node == "n1" {
		t.Errorf("until another node has answered: %+v", first.List)
	}

	slow.Store(true)
	for range 2 {
		if a := n.Ask(t.Context(), "echo", nil); a.Tally != (Tally{Answered: 2, Expected: 3, Known: 3}) {
			t.Errorf("while one is slow: %+v", a.Tally)
		}
	}
	<-held
	<-held
	try, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	// Two calls are running there, so the third is refused, and other questions
	// are answered.
	if _, err := n.AskNode(try, "n3", "echo", nil); !errors.Is(err, ErrUnreachable) || try.Err() != nil {
		t.Errorf("beyond what may run at once: %v", err)
	}
	if out, err := n.AskNode(try, "n3", "quick", nil); err != nil || string(out) != "quick" {
		t.Errorf("another question: %s, %v", out, err)
	}
	close(hold)
	slow.Store(false)
	waitFor(t, func() bool { return n.Ask(t.Context(), "echo", nil).Tally == whole })

	nodes[2].Close()
	waitFor(t, func() bool {
		return n.Ask(t.Context(), "echo", nil).Tally == Tally{Answered: 2, Expected: 2, Known: 3}
	})
}

func TestAnAnswerThatDoesNotComeIsToldFromANodeThatIsNotThere(t *testing.T) {
	t.Parallel()
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	nodes[1].Handle("never", 1, func(ctx context.Context, _ []byte) []byte { <-ctx.Done(); return nil })
	waitFor(t, func() bool { return len(nodes[0].Peers()) == 2 })
	try, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := nodes[0].AskNode(try, "n2", "never", nil); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("%v", err)
	}
}

func TestNobodyButNodesMayAskOrListenToQuestions(t *testing.T) {
	cfg := testConfig(t)
	cfg.Node.Users = []User{{Name: "p", Password: "p", Role: RolePublisher}, {Name: "o", Password: "o", Role: RoleOperator}}
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
		c.node.Handle("echo", 1, func(context.Context, []byte) []byte { asked.Add(1); return nil })
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
			case <-time.After(10 * time.Second):
				t.Errorf("%s may %s", who, what)
			}
		}
		for _, s := range []string{"weft.ask.echo", "weft.ask.echo.n1"} {
			if err := conn.PublishRequest(s, "_INBOX.x", nil); err != nil {
				t.Fatal(err)
			}
			await("publish to " + s)
		}
		for _, s := range []string{"weft.ask.>", "weft.ask.*", "weft.>", ">", nodeInbox + ".>"} {
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

// BenchmarkAsk is a question to three nodes in one process.
func BenchmarkAsk(b *testing.B) {
	nodes := openCluster(b, clusterConfigs(b, 3, 3))
	for _, n := range nodes {
		n.Handle("echo", 16, func(_ context.Context, data []byte) []byte { return data })
	}
	waitFor(b, func() bool { return nodes[0].Ask(b.Context(), "echo", nil).Tally.Complete })
	for b.Loop() {
		if a := nodes[0].Ask(b.Context(), "echo", []byte("x")); !a.Tally.Complete {
			b.Fatalf("%+v", a.Tally)
		}
	}
}
