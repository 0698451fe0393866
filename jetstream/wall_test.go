package jetstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"weft/config/testkit/waitfor"
	"weft/jetstream/server"
)

// wallUsers are who is on the NATS port of a node with users.
var wallUsers = []server.User{
	{Name: "orders", Password: "pw", Role: server.RoleService}, {Name: "mallory", Password: "pw", Role: server.RoleService},
	{Name: "shop", Password: "pw", Role: server.RolePublisher}, {Name: "ops", Password: "pw", Role: server.RoleOperator},
}

// A stranger connects as a user with an inbox of its own, and minds no violation.
func stranger(t testing.TB, n *Node, user string) *nats.Conn {
	t.Helper()
	opts := []nats.Option{nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})}
	if user != "" {
		opts = append(opts, nats.UserInfo(user, "pw"), nats.CustomInboxPrefix("_INBOX_"+user))
	}
	nc, err := nats.Connect(n.ClientURL(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// A victim is a service that writes down all that it hears.
type victim struct {
	nc    *nats.Conn
	mu    sync.Mutex
	heard []string
}

func newVictim(t testing.TB, n *Node, user string) *victim {
	t.Helper()
	v := &victim{nc: stranger(t, n, user)}
	for _, s := range []string{"svc.victim.>", "$SRV.>"} { // of the latter operators ask, and it answers
		if _, err := v.nc.Subscribe(s, func(m *nats.Msg) {
			v.mu.Lock()
			v.heard = append(v.heard, fmt.Sprintf("%s reply %q header %v data %.80q", m.Subject, m.Reply, m.Header, m.Data))
			v.mu.Unlock()
			_ = m.Respond([]byte("heard " + m.Header.Get("Weft-User")))
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *victim) hears() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string(nil), v.heard...)
}

// askNode asks a service as a node.
func askNode(t testing.TB, n *Node, subject string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	m, err := n.Services().Request(ctx, &nats.Msg{Subject: subject, Header: nats.Header{"Weft-User": {"ann"}}})
	if err != nil {
		return "", err
	}
	return string(m.Data), nil
}

// forge tries everything to be heard at a subject in the name of somebody else.
func forge(t testing.TB, nc *nats.Conn, own, target string) {
	t.Helper()
	forged := nats.Header{"Weft-User": {"bob"}, "Weft-Method": {"POST"}}
	send := func(subject, reply string, header nats.Header, data string) {
		t.Helper()
		if err := nc.PublishMsg(&nats.Msg{Subject: subject, Reply: reply, Header: header, Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
	}
	// What is heard with the target as reply subject may be answered there.
	for _, s := range []string{"_INBOX.>", own + ">", "svc.>", "$SRV.>", "$KV.routes.>", "reply.>", "user.>", "topic.>", "weft.>", "_R_.>"} {
		if _, err := nc.Subscribe(s, func(m *nats.Msg) {}); err != nil {
			t.Fatal(err)
		}
	}
	direct := func() { send(target, own+"answer", forged, "forged directly") }
	direct()
	send("weft.ask."+strings.TrimPrefix(target, "svc."), "", forged, "forged through a mapping")
	send("weft.refused."+target, "", forged, "forged")
	for _, subject := range []string{"user.eve", "topic.eve", "user.not.canonical", "reply.a.b", own + "x", "_INBOX.x", "_WEFT.x", "svc.mine", "$SRV.PING",
		"$KV.routes.deed", "$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.KV_routes",
		"$JS.API.DIRECT.GET.KV_routes.$KV.routes.deed", "$SYS.REQ.USER.INFO", "$SYS.REQ.ACCOUNT.PING.CONNZ"} {
		send(subject, target, forged, "forged by an answer")
		direct()
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		direct()
		send(subject, "", nats.Header{"Nats-Trace-Dest": {target}, "Weft-User": {"bob"}}, "forged by a trace")
	}
	for subject, body := range map[string]string{
		"$JS.API.DIRECT.GET.KV_routes":                `{"last_by_subj":"$KV.routes.deed"}`,
		"$JS.API.STREAM.MSG.GET.KV_routes":            `{"last_by_subj":"$KV.routes.deed"}`,
		"$JS.API.CONSUMER.CREATE.KV_routes":           `{"stream_name":"KV_routes","config":{"deliver_subject":"` + target + `","ack_policy":"none","deliver_policy":"all"}}`,
		"$JS.API.CONSUMER.CREATE.KV_routes.evil":      `{"stream_name":"KV_routes","config":{"name":"evil","ack_policy":"none","deliver_policy":"all","mem_storage":true}}`,
		"$JS.API.CONSUMER.MSG.NEXT.KV_routes.evil":    `{"batch":5,"no_wait":true}`,
		"$JS.API.CONSUMER.INFO.KV_routes.evil":        ``,
		"$JS.FC.KV_routes.evil.x":                     ``,
		"$JS.ACK.KV_routes.evil.1.1.1.1.1":            `-NAK`,
		"$JS.API.CONSUMER.DELETE.KV_routes.evil":      ``,
		"$JS.API.CONSUMER.DURABLE.CREATE.KV_routes.d": `{"deliver_subject":"` + target + `"}`,
	} {
		send(subject, target, forged, body)
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	// An answer of one request as the next request.
	send("$JS.API.DIRECT.GET.KV_routes.$KV.routes.deed", "$JS.API.DIRECT.GET.KV_routes.$KV.routes.deed", forged, "")
	send("$JS.API.DIRECT.GET.KV_routes.$KV.routes.deed", "$KV.routes.other", forged, "")
	direct()
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

// burst sends all in one packet, with which the client logs in: in what comes with it the
// server knows no mapping of the account yet.
func burst(t testing.TB, n *Node, user, own, target string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.ClientURL(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	header := "NATS/1.0\r\nWeft-User: bob\r\n\r\n"
	var b strings.Builder
	fmt.Fprintf(&b, "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true,\"user\":%q,\"pass\":\"pw\"}\r\n", user)
	heard := []string{"$KV.routes.burst", own + "x", "svc.mine", "$SRV.mine", "reply.a", "user.eve"}
	for i, s := range heard {
		fmt.Fprintf(&b, "SUB %s %d\r\n", s, i+1)
	}
	for _, s := range append(heard, "$JS.API.INFO", "$JS.API.DIRECT.GET.KV_routes.$KV.routes.deed") {
		fmt.Fprintf(&b, "HPUB %s %s %d %d\r\n%s\r\n", s, target, len(header), len(header), header)
		fmt.Fprintf(&b, "HPUB %s %d %d\r\n%sforged\r\n", target, len(header), len(header)+6, header)
	}
	b.WriteString("PING\r\n")
	if user == "" {
		connect, rest, _ := strings.Cut(b.String(), "\r\n")
		b.Reset()
		b.WriteString(strings.NewReplacer(`,"user":""`, "", `,"pass":"pw"`, "").Replace(connect) + "\r\n" + rest)
	}
	if _, err := conn.Write([]byte(b.String())); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for in := bufio.NewScanner(conn); in.Scan(); {
		if in.Text() == "PONG" {
			return
		}
	}
	t.Fatal("the server does not answer")
}

// besiege lets everybody at each node try to reach a victim at each node.
func besiege(t *testing.T, nodes []*Node) {
	var victims []*victim
	for _, n := range nodes {
		user := "orders"
		if len(n.cfg.Node.Users) == 0 {
			user = ""
		}
		victims = append(victims, newVictim(t, n, user))
	}
	for i, from := range nodes { // until all of them hear it: the nearest one answers before others are known
		canary := fmt.Sprint("svc.victim.canary.", i)
		waitfor.True(t, func() bool {
			got, err := askNode(t, from, canary)
			return err == nil && got == "heard ann" && !slices.ContainsFunc(victims, func(v *victim) bool {
				return !slices.ContainsFunc(v.hears(), func(m string) bool { return strings.HasPrefix(m, canary+" ") })
			})
		})
	}
	for _, n := range nodes {
		users := []string{"mallory", "shop", "ops"}
		if len(n.cfg.Node.Users) == 0 {
			users = []string{""}
		}
		for _, user := range users {
			own := "_INBOX."
			if user != "" {
				own = "_INBOX_" + user + "."
			}
			burst(t, n, user, own, "svc.victim.1")
			forge(t, stranger(t, n, user), own, "svc.victim.1")
		}
	}
	// What was on its way has come when these have.
	for _, from := range nodes {
		for range 20 {
			if _, err := askNode(t, from, "svc.victim.canary.last"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, v := range victims {
		for _, m := range v.hears() {
			if !strings.HasPrefix(m, "svc.victim.canary.") && !strings.HasPrefix(m, "$SRV.PING ") {
				t.Errorf("the service at node %d has heard %s", i+1, m)
			}
		}
	}
}

// Below svc. is heard what a node has sent, and nothing else, whatever its sender may
// do and whoever it lets answer in its place.
func TestNobodyButNodesReachesAService(t *testing.T) {
	t.Parallel()
	for _, users := range [][]server.User{nil, wallUsers} {
		t.Run(fmt.Sprintf("%d users", len(users)), func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(t)
			cfg.Node.Users = users
			besiege(t, []*Node{open(t, cfg)})
		})
	}
}

func TestNobodyButNodesReachesAServiceOfAnotherNode(t *testing.T) {
	t.Parallel()
	configs := clusterConfigs(t, 3, 3)
	configs[0].Node.Users, configs[2].Node.Users = wallUsers, wallUsers
	besiege(t, openCluster(t, configs))
}

// A service that hears a request twice, because it also looks at all of them, may answer.
// It may not do so for ever, nor write to anybody else's inbox.
func TestAServiceMayReplyToWhatItHeardAndNowhereElse(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	cfg.Node.Users = wallUsers
	n := open(t, cfg)
	nc := stranger(t, n, "orders")
	violations := make(chan error, 100)
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err })
	if _, err := nc.Subscribe("svc.>", func(*nats.Msg) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Subscribe("svc.talk", func(m *nats.Msg) {
		for i := range 20 {
			_ = m.Respond(fmt.Append(nil, "reply ", i))
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if got, err := askNode(t, n, "svc.talk"); err != nil || got != "reply 0" {
		t.Errorf("%q, %v", got, err)
	}
	if err := nc.Publish("_INBOX_mallory.x", nil); err != nil {
		t.Fatal(err)
	}
	for replies, inboxes := 0, 0; replies == 0 || inboxes == 0; {
		select {
		case err := <-violations:
			if strings.Contains(err.Error(), "_INBOX_mallory") {
				inboxes++
			} else {
				replies++
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%d of 20 replies were refused, and %d messages to another one's inbox", replies, inboxes)
		}
	}
}

// Whatever a service listens to, or tries to, nobody is online by it.
func TestAServiceIsNobodyWhoFollows(t *testing.T) {
	t.Parallel()
	for user, users := range map[string][]server.User{"": nil, "orders": wallUsers} {
		t.Run("as "+user, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(t)
			cfg.Node.Users = users
			n := open(t, cfg)
			nc := stranger(t, n, user)
			for _, s := range []string{">", "out.>", "out.user.ann", "out.user.*", "user.ann", "user.>", "svc.>", "svc.out.user.ann", "_INBOX.>", "weft.>", "presence.ann"} {
				if _, err := nc.Subscribe(s, func(*nats.Msg) {}); err != nil {
					t.Fatal(err)
				}
			}
			n.Presence().Handle(func(string) bool { return false })
			serveOnce := make(chan struct{}, 1)
			if _, err := nc.Subscribe("svc.presence", func(m *nats.Msg) { serveOnce <- struct{}{}; _ = m.Respond(nil) }); err != nil {
				t.Fatal(err)
			}
			if err := nc.Flush(); err != nil {
				t.Fatal(err)
			}
			if _, err := askNode(t, n, "svc.presence"); err != nil || len(serveOnce) != 1 {
				t.Fatalf("the service is not there: %v", err)
			}
			if is, sure := n.Presence().Online(t.Context(), "user.ann"); is || !sure || n.Presence().Interest("user.ann") {
				t.Errorf("ann is online: %v, sure %v", is, sure)
			}
		})
	}
}

// Who a service is, what it is and what it has done operators may ask, and clients on
// loopback, at any node; and other things nobody.
func TestOperatorsAskServicesAboutThemselves(t *testing.T) {
	t.Parallel()
	configs := clusterConfigs(t, 3, 3)
	configs[0].Node.Users, configs[1].Node.Users = wallUsers, wallUsers
	nodes := openCluster(t, configs)
	for i, n := range nodes {
		user := "orders"
		if i == 2 {
			user = ""
		}
		s, err := micro.AddService(stranger(t, n, user), micro.Config{Name: fmt.Sprint("stock", i+1), Version: "1.0.0"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Stop() })
	}
	for _, c := range []struct {
		node int
		user string
		hear bool
	}{{0, "ops", true}, {1, "ops", true}, {2, "", true}, {0, "shop", false}, {1, "mallory", false}} {
		nc := stranger(t, nodes[c.node], c.user)
		inbox := nc.NewInbox()
		answers, err := nc.SubscribeSync(inbox)
		if err != nil {
			t.Fatal(err)
		}
		discover := func(subject string, want ...string) bool {
			if err := nc.PublishRequest(subject, inbox, nil); err != nil {
				t.Fatal(err)
			}
			for left := len(want); left > 0; {
				m, err := answers.NextMsg(time.Second)
				if err != nil {
					return false
				}
				if slices.ContainsFunc(want, func(w string) bool { return strings.Contains(string(m.Data), `"`+w+`"`) }) {
					left--
				}
			}
			return true
		}
		if !c.hear {
			if discover("$SRV.PING", "stock1") {
				t.Errorf("%s may ask services about themselves", c.user)
			}
			continue
		}
		waitfor.True(t, func() bool { return discover("$SRV.PING", "stock1", "stock2", "stock3") })
		for _, verb := range []string{"$SRV.PING.", "$SRV.INFO.", "$SRV.STATS."} {
			for _, name := range []string{"stock1", "stock2", "stock3"} {
				if !discover(verb+name, name) {
					t.Errorf("%q at node %d hears nothing of %s%s", c.user, c.node+1, verb, name)
				}
			}
		}
		if _, err := nc.Request("$SRV.OTHER", nil, time.Second); !errors.Is(err, nats.ErrTimeout) {
			t.Errorf("%q may publish $SRV.OTHER: %v", c.user, err)
		}
	}
}
