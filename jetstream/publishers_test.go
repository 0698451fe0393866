package jetstream

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/jetstream/event"
	"weft/jetstream/server"
	"weft/jetstream/store"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
)

// dial connects a client to the NATS port, "" as nobody.
func dial(t testing.TB, n *Node, user string) *nats.Conn {
	t.Helper()
	var opts []nats.Option
	if user != "" {
		opts = append(opts, nats.UserInfo(user, "pw"))
	}
	nc, err := nats.Connect(n.ClientURL(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func publisherOf(t testing.TB, nc *nats.Conn) js.JetStream {
	t.Helper()
	store, err := js.New(nc, js.WithPublishAsyncMaxPending(2000))
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// all reads what is stored under a subject.
func all(t testing.TB, n *Node, subject string) (list []event.Stored) {
	t.Helper()
	for from := uint64(1); ; {
		b, err := n.Store().Read(t.Context(), subject, from, store.MaxBatch, 64<<20)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b.Messages...)
		if b.Pending == 0 {
			return list
		}
		from = list[len(list)-1].Seq + 1
	}
}

// While nobody leads the stream a publisher is told so, or nothing, and never that
// something was stored which was not; afterwards all goes on.
func TestAPublisherIsNotToldOfWhatIsNotStored(t *testing.T) {
	t.Parallel()
	configs := clusterConfigs(t, 3, 3)
	nodes := openCluster(t, configs)
	waitfor.True(t, func() bool { return nodes[0].Ready() == nil })
	store := publisherOf(t, dial(t, nodes[0], ""))
	acked := map[string]bool{}
	publish := func(text string) error {
		_, err := store.Publish(t.Context(), "user.ann", []byte(text))
		if err == nil {
			acked[text] = true
		}
		return err
	}
	waitfor.True(t, func() bool { return publish("before") == nil })
	nodes[1].Close()
	nodes[2].Close()
	if err := publish("while alone"); err == nil {
		t.Error("one node of three acknowledges an event")
	}
	openCluster(t, configs[1:])
	waitfor.True(t, func() bool { return publish("after") == nil })
	waitfor.True(t, func() bool {
		var have []string
		for _, s := range all(t, nodes[0], "user.ann") {
			have = append(have, string(s.Data))
		}
		for text := range acked {
			if !slices.Contains(have, text) {
				return false
			}
		}
		return true
	})
}

// A publisher that comes as soon as the node is open is heard: without an
// acknowledgement nobody would tell it that it was not.
func TestOpenNodeHearsEveryPublisher(t *testing.T) {
	cfg := testConfig(t)
	for i := range 100 {
		cfg.Node.Users = append(cfg.Node.Users, server.User{Name: fmt.Sprintf("p%d", i), Password: "a password", Role: server.RolePublisher})
	}
	n := open(t, cfg)
	deaf := 0
	for _, p := range n.srv.Publishers() {
		if !n.srv.InterestIn(p.Account, "user.ann") || !n.srv.InterestIn(p.Account, "topic.news") {
			deaf++
		}
	}
	if deaf > 0 {
		t.Errorf("nobody listens to %d of %d publishers", deaf, len(cfg.Node.Users))
	}
}

// Who sends all in one packet, as a shell does, is treated as anybody else: its events are
// taken by the node that it is connected to.
func TestWhatIsInTheFirstPacketIsTaken(t *testing.T) {
	t.Parallel()
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	for i, text := range []string{"PUB user.ann 2\r\nhi\r\n", "CONNECT {\"verbose\":false}\r\nPUB user.ann 2\r\nho\r\nPING\r\n"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(nodes[0].ClientURL(), "nats://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		waitfor.True(t, func() bool { return len(all(t, nodes[0], "user.ann")) == i+1 })
	}
}

// What is published for a rule is placed, and stored, by the node that the publisher is
// connected to and by no other one, with the rules of that node.
func TestARuleIsAppliedByTheNodeThatAPublisherIsConnectedTo(t *testing.T) {
	t.Parallel()
	for _, user := range []string{"", "shop", "orders"} {
		t.Run("as "+user, func(t *testing.T) {
			t.Parallel()
			configs := clusterConfigs(t, 3, 3)
			for i := range configs {
				if user != "" {
					configs[i].Node.Users = wallUsers
				}
				configs[i].Rules = func(rule string, _ map[string]string, data []byte) ([]event.Event, error) {
					to := fmt.Sprintf("topic.%s.%d", rule, i)
					return []event.Event{{Subject: to, Data: data}, {Subject: "user.ann", Data: data}}, nil
				}
			}
			nodes := openCluster(t, configs)
			for i, n := range nodes {
				nc := stranger(t, n, user)
				m := &nats.Msg{Subject: "in.orders", Header: nats.Header{"Nats-Msg-Id": {fmt.Sprint("m", i)}}, Data: []byte("x")}
				waitfor.True(t, func() bool { // until the cluster takes events; it is stored once
					told, err := nc.RequestMsg(m, 10*time.Second)
					return err == nil && strings.Contains(string(told.Data), `"ids":["`)
				})
			}
			waitfor.True(t, func() bool { return len(all(t, nodes[0], "user.ann")) >= 3 })
			if got := all(t, nodes[0], "user.ann"); len(got) != 3 {
				t.Errorf("%d events are stored for ann, want 3", len(got))
			}
			for i := range nodes {
				if got := all(t, nodes[0], fmt.Sprintf("topic.orders.%d", i)); len(got) != 1 {
					t.Errorf("%d events are placed by node %d, want 1", len(got), i)
				}
			}
		})
	}
}
