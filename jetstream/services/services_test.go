package services_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"weft/config/testkit/testlog"
	"weft/config/testkit/waitfor"
	"weft/edge/problem"
	"weft/jetstream/server"
	"weft/jetstream/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A site is a server with the node's side of services.
type site struct {
	srv      *server.Server
	services *services.Services
	log      testlog.Record
}

// users are two services, a publisher and an operator.
var users = []server.User{
	{Name: "orders", Password: "pw", Role: server.RoleService}, {Name: "mallory", Password: "pw", Role: server.RoleService},
	{Name: "shop", Password: "pw", Role: server.RolePublisher}, {Name: "ops", Password: "pw", Role: server.RoleOperator},
}

// open opens a site that ends with the test.
func open(t testing.TB, take services.Taker, users ...server.User) *site {
	t.Helper()
	s := new(site)
	log := testlog.And(t, &s.log)
	s.srv = server.New(server.Config{Node: server.NodeConfig{Name: "n1", DataDir: t.TempDir(), Listen: "127.0.0.1:0", Users: users},
		Buckets: []server.Bucket{{Name: "routes", Purge: true}, {Name: "blacklist"}}}, log)
	if err := s.srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.srv.Stop)
	s.services = services.New(services.Params{Subject: s.srv.ServiceSubject, Log: log, Connect: func(name string, opts ...nats.Option) (*nats.Conn, error) {
		return s.srv.Connect(server.ServiceUser, name, opts...)
	}})
	s.services.OnAnswer(take)
	if err := s.services.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.services.Close)
	return s
}

// dial connects to the NATS port as a user, "" as nobody.
func (s *site) dial(t testing.TB, user string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	if user != "" {
		opts = append(opts, nats.UserInfo(user, "pw"), nats.CustomInboxPrefix("_INBOX_"+user))
	}
	nc, err := nats.Connect(s.srv.ClientURL(), append(opts, nats.ReconnectWait(50*time.Millisecond), nats.MaxReconnects(-1), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// serve answers what comes on a subject with it and its payload.
func serve(t testing.TB, nc *nats.Conn, subject string) {
	t.Helper()
	_, err := nc.QueueSubscribe(subject, "q", func(m *nats.Msg) {
		_ = m.Respond([]byte(m.Subject + " " + string(m.Data) + " " + m.Header.Get("Weft-User")))
	})
	if err = errors.Join(err, nc.Flush()); err != nil {
		t.Fatal(err)
	}
}

// ask sends a request as a node.
func (s *site) ask(t testing.TB, subject, data string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	m, err := s.services.Request(ctx, &nats.Msg{Subject: subject, Data: []byte(data), Header: nats.Header{"Weft-User": {"ann"}}})
	if err != nil {
		return "", err
	}
	return string(m.Data), nil
}

func noAnswers(context.Context, string, iter.Seq2[string, string], []byte) error { return nil }

func TestAServiceAnswersARequestOfTheNode(t *testing.T) {
	for _, as := range []string{"", "orders"} {
		t.Run("as "+as, func(t *testing.T) {
			t.Parallel()
			var have []server.User
			if as != "" {
				have = users
			}
			s := open(t, noAnswers, have...)
			if _, err := s.ask(t, "svc.orders.7", "x"); !errors.Is(err, nats.ErrNoResponders) {
				t.Errorf("before the service is there: %v", err)
			}
			serve(t, s.dial(t, as), "svc.orders.*")
			for i := range 3 {
				if got, err := s.ask(t, "svc.orders.7", "x"); err != nil || got != "svc.orders.7 x ann" {
					t.Errorf("request %d: %q, %v", i, got, err)
				}
			}
		})
	}
}

func TestARequestEndsWithItsContextAndLeavesNothingBehind(t *testing.T) {
	s := open(t, noAnswers)
	nc := s.dial(t, "")
	asked := make(chan *nats.Msg, 1)
	if _, err := nc.Subscribe("svc.slow", func(m *nats.Msg) { asked <- m }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := s.services.Request(ctx, &nats.Msg{Subject: "svc.slow"})
		ended <- err
	}()
	m := <-asked
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	if err := m.Respond([]byte("late")); err != nil {
		t.Error(err)
	}
	serve(t, nc, "svc.fast")
	if got, err := s.ask(t, "svc.fast", ""); err != nil || !strings.HasPrefix(got, "svc.fast") {
		t.Errorf("the next request is answered %q, %v", got, err)
	}
}

func TestRequestsWorkAgainAfterARestartOfTheServer(t *testing.T) {
	answers := make(chan string, 10)
	s := open(t, func(_ context.Context, correlation string, _ iter.Seq2[string, string], _ []byte) error {
		answers <- correlation
		return nil
	})
	nc := s.dial(t, "")
	serve(t, nc, "svc.orders")
	s.srv.Stop()
	waitfor.True(t, func() bool { // what is written before the end is noticed is lost
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := s.services.Request(ctx, &nats.Msg{Subject: "svc.orders"})
		return errors.Is(err, nats.ErrNoResponders)
	})
	if err := s.srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool {
		_, err := s.ask(t, "svc.orders", "")
		return err == nil
	})
	waitfor.True(t, func() bool {
		m, err := nc.Request("reply.a.b", nil, time.Second)
		return err == nil && string(m.Data) == "+OK"
	})
	if got := <-answers; got != "a.b" {
		t.Errorf("the answer is for %q", got)
	}
}

func TestALaterAnswerIsTakenAndAcknowledged(t *testing.T) {
	s := open(t, func(_ context.Context, correlation string, header iter.Seq2[string, string], body []byte) error {
		status := ""
		for name, value := range header {
			if strings.EqualFold(name, "weft-status") {
				status = value
			}
		}
		if correlation == "i.r" && status == "201" && string(body) == "made" {
			return nil
		}
		if correlation == "i.away" {
			return problem.New(problem.NotReady, "nodes do not answer")
		}
		return problem.New(problem.NotFound, "nobody waits")
	}, users...)
	nc := s.dial(t, "orders")
	for subject, want := range map[string]string{"reply.i.r": "+OK", "reply.i.other": "-ERR not_found", "reply.i.away": "-ERR not_ready", "reply.x": "-ERR not_found"} {
		m, err := nc.RequestMsg(&nats.Msg{Subject: subject, Header: nats.Header{"Weft-Status": {"201"}}, Data: []byte("made")}, 20*time.Second)
		if err != nil || string(m.Data) != want {
			t.Errorf("%s: %v, %v", subject, m, err)
		}
	}
}

// More answers than can be handed on at once wait, and nothing is handed on twice.
func TestABoundedNumberOfAnswersIsHandedOnAtOnce(t *testing.T) {
	const answers = 1000
	running, peak, release := make(chan struct{}, answers), 0, make(chan struct{})
	s := open(t, func(ctx context.Context, _ string, _ iter.Seq2[string, string], _ []byte) error {
		running <- struct{}{}
		<-release
		return nil
	})
	nc := s.dial(t, "")
	acks := make(chan *nats.Msg, answers)
	if _, err := nc.ChanSubscribe("_INBOX.acks.*", acks); err != nil {
		t.Fatal(err)
	}
	for i := range answers {
		if err := nc.PublishRequest(fmt.Sprintf("reply.i.%d", i), fmt.Sprintf("_INBOX.acks.%d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	waitfor.True(t, func() bool { return len(running) >= 256 })
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if peak = len(running); peak != 256 {
		t.Errorf("%d at once", peak)
	}
	close(release)
	seen := map[string]bool{}
	for range answers {
		select {
		case m := <-acks:
			seen[m.Subject] = string(m.Data) == "+OK"
		case <-time.After(30 * time.Second):
			t.Fatalf("%d acknowledged", len(seen))
		}
	}
	if len(seen) != answers {
		t.Errorf("%d answers were acknowledged", len(seen))
	}
}

// A service that floods its node loses answers, which is said and not for each.
func TestAnswersThatAreLostAreSaid(t *testing.T) {
	release := make(chan struct{})
	s := open(t, func(ctx context.Context, _ string, _ iter.Seq2[string, string], _ []byte) error {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil
	})
	nc := s.dial(t, "")
	for range 4 {
		for range 20_000 {
			if err := nc.Publish("reply.i.r", nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := nc.Flush(); err != nil { // so that the server does not take it for one that reads nothing
			t.Fatal(err)
		}
	}
	waitfor.True(t, func() bool { return s.log.Has("answers are lost") })
	close(release)
	serve(t, nc, "svc.orders")
	if got, err := s.ask(t, "svc.orders", ""); err != nil || got == "" {
		t.Errorf("a request is answered %q, %v", got, err)
	}
	waitfor.True(t, func() bool {
		m, err := nc.Request("reply.i.r", nil, time.Second)
		return err == nil && string(m.Data) == "+OK"
	})
	if n := strings.Count(strings.Join(s.log.Lines(), "\n"), "answers are lost"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

func BenchmarkRequest(b *testing.B) {
	s := open(b, noAnswers)
	serve(b, s.dial(b, ""), "svc.orders")
	bare, err := s.srv.Connect(server.ServiceUser, "bare")
	if err != nil {
		b.Fatal(err)
	}
	defer bare.Close()
	b.Run("node", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.services.Request(b.Context(), &nats.Msg{Subject: "svc.orders"}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		subject := s.srv.ServiceSubject("svc.orders")
		for b.Loop() {
			if _, err := bare.RequestMsgWithContext(b.Context(), &nats.Msg{Subject: subject}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
