package jetstream

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/config/testkit/standstill"
	"weft/config/testkit/waitfor"
	"weft/jetstream/presence"
	"weft/jetstream/server"
)

// A crowd is connected to a node.
type crowd struct {
	node *Node

	mu     sync.Mutex
	counts map[string]int
}

func newCrowd(n *Node) *crowd {
	c := &crowd{node: n, counts: map[string]int{}}
	n.Presence().Serve(c)
	return c
}

func (c *crowd) set(s string, connections int) {
	c.mu.Lock()
	c.counts[s] = connections
	c.mu.Unlock()
	c.node.Presence().Changed(s)
}

func (c *crowd) Connections(s string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[s]
}

func (c *crowd) Devices(s string) []presence.Device {
	return make([]presence.Device, c.Connections(s))
}

// states are those that a follower was told.
type states struct {
	mu   sync.Mutex
	list []presence.State
	at   []time.Time
}

func (s *states) tell(st presence.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list, s.at = append(s.list, st), append(s.at, time.Now())
}

// last is the last state that was told, and how many were.
func (s *states) last() (st presence.State, told int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if told = len(s.list); told > 0 {
		st = s.list[told-1]
	}
	return st, told
}

// await waits until a state is the last one.
func (s *states) await(t testing.TB, connections int, complete bool) {
	t.Helper()
	waitfor.True(t, func() bool {
		st, told := s.last()
		return told > 0 && st.Connections == connections && st.Complete == complete
	})
}

func TestPresenceOfManyIsFollowedAcrossNodesThatDieAndComeBack(t *testing.T) {
	t.Parallel()
	const users = 1000
	watch := standstill.Begin(t)
	configs := clusterConfigs(t, 3, 3)
	nodes := openCluster(t, configs)
	var crowds []*crowd
	for _, n := range nodes {
		crowds = append(crowds, newCrowd(n))
		waitfor.True(t, func() bool { return len(n.Cluster().Peers()) == 2 })
	}
	user := func(i int) string { return fmt.Sprint("user.u", i) }
	for i := range users {
		crowds[1+i%2].set(user(i), 1)
	}
	told := make([]states, users)
	for i := range told {
		defer nodes[0].Presence().Follow(user(i), i%10 == 0, told[i].tell)()
	}
	for i := range told {
		told[i].await(t, 1, true)
	}
	for i := range told {
		if st, n := told[i].last(); n != 1 || i%10 == 0 != (len(st.Devices) == 1) {
			t.Fatalf("user %d: told %d times, last %+v", i, n, st)
		}
	}
	// One comes, and comes to another node; both hear of both within a second.
	var other states
	defer nodes[1].Presence().Follow("topic.hotel.42", false, other.tell)()
	other.await(t, 0, true)
	for i := range 5 {
		lost := watch.Lost()
		begun := time.Now()
		crowds[i%3].set("topic.hotel.42", i+1)
		sum := func() (n int) {
			for _, c := range crowds {
				n += c.Connections("topic.hotel.42")
			}
			return n
		}()
		if i%3 == i { // else fewer would be held back
			other.await(t, sum, true)
			if took := time.Since(begun) - (watch.Lost() - lost); took > time.Second+500*time.Millisecond {
				t.Errorf("told of %d after %v", sum, took)
			}
		}
	}

	lost, begun := watch.Lost(), time.Now()
	if err := nodes[2].Close(); err != nil {
		t.Error(err)
	}
	for i := range told {
		told[i].await(t, 1-i%2, true)
	}
	took := time.Since(begun) - (watch.Lost() - lost)
	if t.Logf("of %d users that are gone all were told after %v", users/2, took); took > 6*time.Second {
		t.Error("that is more than 6 s")
	}
	for i := range told {
		told[i].mu.Lock()
		if len(told[i].list) != 1+i%2 { // a process that has ended has no others
			t.Errorf("user %d: told %+v", i, told[i].list)
		}
		told[i].mu.Unlock()
	}

	// It comes back under its name, with others.
	again := openCluster(t, configs[2:])[0]
	back := newCrowd(again)
	for i := range users {
		back.set(user(i), 1)
	}
	for i := range told {
		told[i].await(t, 2-i%2, true)
	}
	// Its server is restarted within the process: its connections are not heard, and still are there.
	if err := again.Restart(); err != nil {
		t.Error(err)
	}
	for i := range users {
		back.set(user(i), 2)
	}
	for i := range told {
		told[i].await(t, 3-i%2, true)
	}
	// So is that of the followers' own node.
	if err := nodes[0].Restart(); err != nil {
		t.Error(err)
	}
	for i := range users {
		back.set(user(i), 3)
	}
	for i := range told {
		told[i].await(t, 4-i%2, true)
	}
}

func TestNobodyButNodesMaySayOrHearWhoIsThere(t *testing.T) {
	cfg := testConfig(t)
	cfg.Node.Users = []server.User{{Name: "p", Password: "p", Role: server.RolePublisher}, {Name: "o", Password: "o", Role: server.RoleOperator},
		{Name: "s", Password: "s", Role: server.RoleService}}
	configured, anonymous := open(t, cfg), open(t, testConfig(t))
	for who, c := range map[string]struct {
		node *Node
		opts []nats.Option
	}{
		"publisher": {configured, []nats.Option{nats.UserInfo("p", "p")}},
		"operator":  {configured, []nats.Option{nats.UserInfo("o", "o")}},
		"service":   {configured, []nats.Option{nats.UserInfo("s", "s")}},
		"nobody":    {anonymous, nil},
	} {
		t.Run(who, func(t *testing.T) {
			people := newCrowd(c.node)
			var told states
			defer c.node.Presence().Follow("user."+who, false, told.tell)()
			told.await(t, 0, true)
			heard, err := c.node.Connect("a follower elsewhere")
			if err != nil {
				t.Fatal(err)
			}
			defer heard.Close()
			hints := make(chan *nats.Msg, 16)
			if _, err := heard.ChanSubscribe("presence.>", hints); err != nil {
				t.Fatal(err)
			}
			if err := heard.Flush(); err != nil {
				t.Fatal(err)
			}
			refused := make(chan error, 64)
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
						t.Errorf("%s: %v", what, err)
					}
				case <-time.After(time.Minute):
					t.Errorf("one may %s", what)
				}
			}
			forged := []byte(`{"node":"n1","run":"x","seq":18446744073709551615,"connections":99}`)
			for _, s := range []string{"presence." + who, "presence.topic.hotel.42", "weft.ask.counts", "weft.ask.counts.n1"} {
				if err := conn.PublishRequest(s, "_INBOX.x", forged); err != nil {
					t.Fatal(err)
				}
				await("publish to " + s)
			}
			for _, s := range []string{"presence." + who, "presence.*", "presence.>", "*." + who, ">"} {
				if _, err := conn.SubscribeSync(s); err != nil {
					t.Fatal(err)
				}
				await("subscribe to " + s)
			}
			// Nor by the detour of an answer of the server, or of a trace.
			for _, subject := range []string{"user.eve", "topic.eve", "$JS.API.INFO", "$JS.API.STREAM.NAMES", "$SRV.PING", "$SYS.REQ.USER.INFO", "svc.mine"} {
				for _, m := range []*nats.Msg{{Subject: subject, Reply: "presence." + who, Data: forged}, {Subject: subject, Data: forged, Header: nats.Header{"Nats-Trace-Dest": {"presence." + who}}}} {
					if err := conn.PublishMsg(m); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := conn.Flush(); err != nil {
				t.Fatal(err)
			}
			// What is true is told, and is all that was said.
			people.set("user."+who, 1)
			told.await(t, 1, true)
			if _, n := told.last(); n != 2 {
				t.Errorf("told %d times", n)
			}
			select {
			case m := <-hints:
				t.Errorf("heard on %s: %s", m.Subject, m.Data)
			default:
			}
		})
	}
}

// BenchmarkChangedUnfollowed is what presence costs a connection that comes or goes when
// nobody follows its user, among so many subjects that somebody subscribes to.
func BenchmarkChangedUnfollowed(b *testing.B) {
	n := open(b, testConfig(b))
	conn, err := n.Connect("others")
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	hold := make(chan *nats.Msg)
	for i := range 100_000 {
		if _, err := conn.ChanSubscribe(fmt.Sprint("out.user.u", i), hold); err != nil {
			b.Fatal(err)
		}
	}
	if err := conn.FlushTimeout(time.Minute); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		s := fmt.Sprint("user.u", next.Add(1))
		for pb.Next() {
			n.Presence().Changed(s)
		}
	})
}
