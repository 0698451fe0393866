package ingress_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"weft/config/testkit/slow"
	"weft/config/testkit/testlog"
	"weft/config/testkit/waitfor"
	"weft/jetstream/event"
	"weft/jetstream/ingress"
	"weft/jetstream/natsconn"
	"weft/jetstream/server"
)

// publishers are two, and an operator.
var publishers = []server.User{
	{Name: "orders", Password: "pw", Role: server.RolePublisher},
	{Name: "billing a/b", Password: "pw", Role: server.RolePublisher},
	{Name: "ops", Password: "pw", Role: server.RoleOperator},
}

func publisherOf(t testing.TB, nc *nats.Conn) js.JetStream {
	t.Helper()
	store, err := js.New(nc, js.WithPublishAsyncMaxPending(2000))
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestWhatAPublisherSendsIsStoredAsItIsAndInOrder(t *testing.T) {
	for _, user := range []string{"", "orders"} {
		t.Run("as "+user, func(t *testing.T) {
			t.Parallel()
			var users []server.User
			if user != "" {
				users = publishers
			}
			n := open(t, users...)
			store := publisherOf(t, n.dial(t, user))
			const events = 3000
			want := make([][]byte, events)
			acks := make([]js.PubAckFuture, events)
			for i := range want {
				want[i] = bytes.Repeat([]byte{byte(i), '\r', '\n', 0xff}, i%40)
				if i%500 == 0 {
					want[i] = bytes.Repeat([]byte{byte(i >> 3)}, event.MaxBytes)
				}
				m := nats.NewMsg("user.ann")
				m.Data = want[i]
				if i%3 == 0 {
					m.Header.Set("ce-type", fmt.Sprintf("t%d", i))
					m.Header["nats-sequence"] = []string{"999999"} // of a stream that it is from
				}
				var err error
				if acks[i], err = store.PublishMsgAsync(m, js.WithStallWait(20*time.Second)); err != nil {
					t.Fatal(err)
				}
			}
			before := uint64(0)
			for i, a := range acks {
				select {
				case ack := <-a.Ok():
					if ack.Sequence <= before || ack.Stream != "EVENTS" {
						t.Fatalf("event %d was acknowledged as %+v after %d", i, ack, before)
					}
					before = ack.Sequence
				case err := <-a.Err():
					t.Fatalf("event %d: %v", i, err)
				case <-time.After(30 * time.Second):
					t.Fatalf("event %d is not acknowledged", i)
				}
			}
			got := n.all(t, "user.ann")
			if len(got) != events {
				t.Fatalf("%d stored of %d", len(got), events)
			}
			for i := range got {
				if !bytes.Equal(got[i].Data, want[i]) {
					t.Fatalf("event %d has changed", i)
				}
				for name, values := range got[i].Header {
					if strings.EqualFold(name, "nats-sequence") && slices.Contains(values, "999999") {
						t.Fatalf("event %d has kept %s", i, name)
					}
				}
				if typ, err := event.TypeOf(&got[i]); err != nil || typ != map[bool]string{true: fmt.Sprintf("t%d", i)}[i%3 == 0] {
					t.Fatalf("event %d has type %q, %v", i, typ, err)
				}
			}
		})
	}
}

// A refusal is told to a publisher that asks, in the words of a stream.
func TestAPublisherIsToldWhatIsRefused(t *testing.T) {
	n := open(t, publishers...)
	nc := n.dial(t, "orders")
	store := publisherOf(t, nc)
	for name, c := range map[string]struct {
		subject string
		header  nats.Header
		data    []byte
		says    string
	}{
		"no canonical user": {subject: "user.ann@x.org", says: "must be escaped"},
		"a wildcard":        {subject: "user.*", says: "escaped"},
		"too large":         {subject: "user.ann", data: make([]byte, event.MaxBytes+1), says: "1048576"},
		"a type of ours":    {subject: "user.ann", header: nats.Header{"ce-type": {"weft.open"}}, says: "reserved"},
		"a roll-up":         {subject: "user.ann", header: nats.Header{"Nats-Rollup": {"sub"}}, says: "Nats-Rollup"},
		"a condition":       {subject: "user.ann", header: nats.Header{"Nats-Expected-Last-Sequence": {"7"}}, says: "Nats-Expected"},
		"a time to live":    {subject: "user.ann", header: nats.Header{"Nats-TTL": {"1s"}}, says: "Nats-TTL"},
		"another stream":    {subject: "user.ann", header: nats.Header{"Nats-Expected-Stream": {"OTHER"}}, says: "Nats-Expected-Stream"},
		"a batch":           {subject: "user.ann", header: nats.Header{"Nats-Batch-Id": {"x"}, "Nats-Batch-Sequence": {"1"}}, says: "Nats-Batch"},
		"a schedule":        {subject: "user.ann", header: nats.Header{"Nats-Schedule": {"@every 1s"}, "Nats-Schedule-Target": {"user.bob"}}, says: "Nats-Schedule"},
	} {
		_, err := store.PublishMsg(t.Context(), &nats.Msg{Subject: c.subject, Header: c.header, Data: c.data})
		var told *js.APIError
		if !errors.As(err, &told) && !strings.Contains(fmt.Sprint(err), "invalid subject") || told != nil && !strings.Contains(told.Description, c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := n.all(t, ">"); slices.ContainsFunc(got, func(s event.Stored) bool { return !strings.HasPrefix(s.Subject, "tick.") }) {
		t.Errorf("stored: %v", got)
	}
	if _, err := store.Publish(t.Context(), "user.ann", nil, js.WithExpectStream("EVENTS")); err != nil {
		t.Errorf("what expects the stream that there is: %v", err)
	}
}

func TestAMessageIDCountsAmongThoseOfTheSamePublisher(t *testing.T) {
	n := open(t, publishers...)
	orders, billing := publisherOf(t, n.dial(t, "orders")), publisherOf(t, n.dial(t, "billing a/b"))
	for i, c := range []struct {
		by        js.JetStream
		subject   string
		duplicate bool
	}{{orders, "user.ann", false}, {orders, "user.ann", true}, {billing, "user.ann", false}, {billing, "user.ann", true}, {orders, "user.bob", false}} {
		ack, err := c.by.Publish(t.Context(), c.subject, []byte("x"), js.WithMsgID("k/1"))
		if err != nil || ack.Duplicate != c.duplicate {
			t.Errorf("publish %d: %+v, %v", i, ack, err)
		}
	}
}

// The server is restarted in the process when its store is stuck.
func TestAPublisherIsServedAgainAfterARestartOfTheServer(t *testing.T) {
	slow.Test(t, "a restart of the server")
	n := open(t)
	nc := n.dial(t, "")
	store := publisherOf(t, nc)
	for range 3 {
		n.srv.Stop()
		if err := n.srv.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		waitfor.True(t, func() bool {
			_, err := store.Publish(t.Context(), "user.ann", nil)
			return err == nil
		})
	}
}

// The server ends a reader that does not keep up, and drops what waits for it.
func TestAReaderThatIsCutOffIsCounted(t *testing.T) {
	n := open(t)
	readers := make(chan *natsconn.Conn, 10)
	reg := prometheus.NewRegistry()
	in := ingress.New(ingress.Params{Log: testlog.To(t), Closed: n.store.TakesEvents, MessageID: n.store.MessageID, EventID: n.store.CursorAt,
		Dial: func(user, name string) (*natsconn.Conn, error) {
			conn, err := n.srv.Dial(user, name)
			if err == nil && user != server.NodeUser {
				readers <- conn
			}
			return conn, err
		}}, reg)
	heard := make(chan struct{}, 10)
	run, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { in.Run(run, n.srv.Publishers()[0], func() { heard <- struct{}{} }) })
	<-heard
	if got := cutOff(t, reg); got != 0 {
		t.Errorf("counted %v before", got)
	}
	(<-readers).Close()
	<-heard
	if got := cutOff(t, reg); got != 1 {
		t.Errorf("counted %v", got)
	}
	cancel()
	running.Wait()
	if got := cutOff(t, reg); got != 1 {
		t.Errorf("counted %v after an end in good order", got)
	}
}

func cutOff(t *testing.T, reg *prometheus.Registry) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "weft_jetstream_publishers_cut_off_total" {
			sum += f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return sum
}

// An acknowledgement goes to an inbox. What a publisher may not publish, or what would
// be an event of its own, it is not published by the ingress either.
func TestAnAcknowledgementGoesToAnInboxOnly(t *testing.T) {
	users := append(slices.Clone(publishers), server.User{Name: "svc", Password: "pw", Role: server.RoleService})
	for _, user := range []string{"", "orders", "svc"} {
		t.Run("as "+user, func(t *testing.T) {
			t.Parallel()
			var have []server.User
			if user != "" {
				have = users
			}
			n := open(t, have...)
			ear, err := n.srv.Connect(server.ServiceUser, "ear")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(ear.Close)
			heard := make(chan *nats.Msg, 100)
			for _, s := range []string{"svc.>", "reply.>", "$SRV.>", "other.>"} {
				if _, err := ear.ChanSubscribe(s, heard); err != nil {
					t.Fatal(err)
				}
			}
			if err := ear.Flush(); err != nil {
				t.Fatal(err)
			}
			nc, err := nats.Connect(n.srv.ClientURL(), nats.UserInfo(user, "pw"), nats.CustomInboxPrefix("_INBOX_"+user))
			if user == "" {
				nc, err = nats.Connect(n.srv.ClientURL())
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(nc.Close)
			for _, reply := range []string{"svc.orders.1", "reply.a.b", "$SRV.PING", "user.bob", "topic.news", "other.x", "_INBOXsvc.x", "weft.ask.x"} {
				for _, subject := range []string{"user.ann", "user.not.canonical"} {
					if err := nc.PublishRequest(subject, reply, []byte("x")); err != nil {
						t.Fatal(err)
					}
				}
			}
			if _, err := nc.Request("user.ann", []byte("last"), 10*time.Second); err != nil {
				t.Fatalf("one with an inbox is not acknowledged: %v", err)
			}
			if err := ear.Flush(); err != nil {
				t.Fatal(err)
			}
			for len(heard) > 0 {
				m := <-heard
				t.Errorf("heard %s %s", m.Subject, m.Data)
			}
			if events := n.all(t, ">"); slices.ContainsFunc(events, func(s event.Stored) bool { return s.Subject == "user.bob" || strings.HasPrefix(s.Subject, "topic.") }) {
				t.Errorf("an acknowledgement was stored: %v", events)
			}
		})
	}
}
