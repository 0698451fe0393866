package ingress_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"weft/config/testkit/waitfor"
	"weft/jetstream/event"
	"weft/jetstream/server"
)

// An answer is what a publisher is told.
type answer struct {
	Stream    string
	Seq       uint64
	Duplicate bool
	ID        string
	IDs       []string
	Error     struct {
		Code        int
		Description string
	}
}

// ask publishes and reads what it is told.
func ask(t testing.TB, nc *nats.Conn, m *nats.Msg) (a answer) {
	t.Helper()
	got, err := nc.RequestMsg(m, time.Minute)
	if err != nil {
		t.Fatalf("%s: %v", m.Subject, err)
	}
	if err := json.Unmarshal(got.Data, &a); err != nil {
		t.Fatalf("%s: %s", m.Subject, got.Data)
	}
	return a
}

// lines is a rule named lines: each line of a message is a subject, but for the first one,
// which is what all of them get. One that is empty addresses nobody.
func lines(rule string, header map[string]string, data []byte) ([]event.Event, error) {
	if rule != "lines" {
		return nil, fmt.Errorf("there is no rule %q", rule)
	}
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	if len(rest) == 0 {
		return nil, errors.New("{/nobody}: no value")
	}
	var events []event.Event
	for s := range strings.SplitSeq(string(rest), "\n") {
		events = append(events, event.Event{Subject: s, Type: header["kind"], Data: first})
	}
	return events, nil
}

func message(subject, data string, header ...string) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Data = []byte(data)
	for i := 0; i < len(header); i += 2 {
		m.Header[header[i]] = []string{header[i+1]}
	}
	return m
}

func TestAnAcknowledgementNamesTheEventAsA202Does(t *testing.T) {
	n := openWith(t, lines, publishers...)
	nc := n.dial(t, "orders")
	first := ask(t, nc, message("user.ann", "1", "Nats-Msg-Id", "x"))
	if first.Stream != "EVENTS" || first.Seq == 0 || first.ID != n.store.CursorAt(first.Seq) {
		t.Errorf("told %+v, want the id %s", first, n.store.CursorAt(first.Seq))
	}
	if again := ask(t, nc, message("user.ann", "1", "Nats-Msg-Id", "x")); !again.Duplicate || again.ID != first.ID {
		t.Errorf("again: told %+v after %+v", again, first)
	}
	ack, err := publisherOf(t, nc).Publish(t.Context(), "user.ann", []byte("2")) // a library reads it as before
	if err != nil || ack.Sequence <= first.Seq || ack.Stream != "EVENTS" {
		t.Errorf("a library is told %+v, %v", ack, err)
	}
	if refused := ask(t, nc, message("user.a.b", "1")); refused.ID != "" || refused.Error.Code != 400 {
		t.Errorf("what is refused has the id %q, %+v", refused.ID, refused.Error)
	}
}

func TestAMessageForARuleIsAcknowledgedOnceAllAreStored(t *testing.T) {
	for _, user := range []string{"", "orders", "svc"} {
		t.Run("as "+user, func(t *testing.T) {
			t.Parallel()
			users := append(slices.Clone(publishers), server.User{Name: "svc", Password: "pw", Role: server.RoleService})
			if user == "" {
				users = nil
			}
			n := openWith(t, lines, users...)
			var as []nats.Option
			if user != "" {
				as = []nats.Option{nats.UserInfo(user, "pw"), nats.CustomInboxPrefix("_INBOX_" + user)}
			}
			nc, err := nats.Connect(n.srv.ClientURL(), as...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(nc.Close)
			send := func() answer {
				return ask(t, nc, message("in.lines", "hello\nuser.ann\nuser.bob\ntopic.a.b", "kind", "said", "Nats-Msg-Id", "m1"))
			}
			told := send()
			var ids []string
			for _, s := range []string{"user.ann", "user.bob", "topic.a.b"} {
				got := n.all(t, s)
				if len(got) != 1 || string(got[0].Data) != "hello" || event.FirstValue(got[0].Header, "ce-type") != "said" {
					t.Fatalf("%s: stored %v", s, got)
				}
				ids = append(ids, n.store.CursorAt(got[0].Seq))
			}
			if !slices.Equal(told.IDs, ids) || told.ID != ids[2] || told.ID != n.store.CursorAt(told.Seq) || told.Duplicate || told.Stream != "EVENTS" {
				t.Errorf("told %+v, stored %q", told, ids)
			}
			if again := send(); !again.Duplicate || !slices.Equal(again.IDs, ids) || len(n.all(t, "user.ann")) != 1 {
				t.Errorf("again: told %+v, want %q", again, ids)
			}
			// One of which a part is stored is completed.
			part := ask(t, nc, message("in.lines", "hello\nuser.ann\nuser.eve", "Nats-Msg-Id", "m1"))
			if part.Duplicate || part.IDs[0] != ids[0] || len(n.all(t, "user.eve")) != 1 {
				t.Errorf("the rest: %+v", part)
			}
		})
	}
}

func TestWhatARuleCannotPlaceIsRefusedAndCounted(t *testing.T) {
	n := openWith(t, lines, publishers...)
	nc := n.dial(t, "orders")
	for says, m := range map[string]*nats.Msg{
		"{/nobody}":   message("in.lines", "x"),
		`rule \"x\"`:  message("in.x", "x\nuser.ann"),
		`rule \"a.b`:  message("in.a.b", "x\nuser.ann"),
		"Nats-Rollup": message("in.lines", "x\nuser.ann", "Nats-Rollup", "sub"),
		"Nats-TTL":    message("in.lines", "x\nuser.ann", "Nats-TTL", "1s"),
	} {
		if got := ask(t, nc, m); got.Error.Code != 400 || !strings.Contains(fmt.Sprintf("%q", got.Error.Description), says) || got.ID != "" {
			t.Errorf("%s: told %+v", says, got)
		}
	}
	if got := n.all(t, "user.ann"); len(got) > 0 {
		t.Errorf("stored: %v", got)
	}
	if got := refusals(t, n, "rule"); got != 3 {
		t.Errorf("%v are counted", got)
	}
	// Who has no rules says so.
	if got := ask(t, open(t).dial(t, ""), message("in.lines", "x\nuser.ann")); !strings.Contains(got.Error.Description, "ingest.rules") {
		t.Errorf("told %+v", got)
	}
}

// refusals are how many messages were refused for a cause.
func refusals(t testing.TB, n *site, cause string) (sum float64) {
	t.Helper()
	families, err := n.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "weft_jetstream_publishes_refused_total" && m.GetLabel()[0].GetValue() == cause {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// More events than may be on their way at once, in the order in which they were published,
// rules among others.
func TestEventsOfARuleKeepTheirOrder(t *testing.T) {
	n := openWith(t, lines, publishers...)
	store := publisherOf(t, n.dial(t, "orders"))
	const rounds = 40
	var acks []js.PubAckFuture
	for i := range rounds {
		for _, m := range []*nats.Msg{message("in.lines", fmt.Sprint(2*i, strings.Repeat("\nuser.ann", 30))), message("user.ann", fmt.Sprint(2*i+1))} {
			ack, err := store.PublishMsgAsync(m, js.WithStallWait(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			acks = append(acks, ack)
		}
	}
	for i, a := range acks {
		select {
		case <-a.Ok():
		case err := <-a.Err():
			t.Fatalf("message %d: %v", i, err)
		case <-time.After(time.Minute):
			t.Fatalf("message %d is not acknowledged", i)
		}
	}
	got := n.all(t, "user.ann")
	if len(got) != rounds*31 {
		t.Fatalf("%d are stored, want %d", len(got), rounds*31)
	}
	for i, s := range got {
		if want := fmt.Sprint(i/31*2 + (i%31)/30); string(s.Data) != want {
			t.Fatalf("event %d is %s, want %s", i, s.Data, want)
		}
	}
}

// Nobody hears what is published for a rule, or speaks in its name: an operator cannot
// publish there, and a reply subject does not lead there.
func TestARuleIsForPublishersAlone(t *testing.T) {
	users := append(slices.Clone(publishers), server.User{Name: "svc", Password: "pw", Role: server.RoleService})
	n := openWith(t, lines, users...)
	heard := make(chan *nats.Msg, 10)
	denied := make(chan error, 100)
	dial := func(user string) *nats.Conn {
		nc, err := nats.Connect(n.srv.ClientURL(), nats.UserInfo(user, "pw"), nats.CustomInboxPrefix("_INBOX_"+user),
			nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	for _, user := range []string{"orders", "billing a/b", "svc", "ops"} {
		nc := dial(user)
		for _, s := range []string{"in.>", "in.lines", "in.*", ">"} {
			if _, err := nc.ChanSubscribe(s, heard); err != nil {
				t.Fatal(err)
			}
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	waitfor.True(t, func() bool { return len(denied) == 16 })
	ops := dial("ops")
	if err := ops.Publish("in.lines", []byte("x\nuser.eve")); err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool { return len(denied) == 17 })
	svc := dial("svc")
	for _, s := range []string{"user.ann", "user.not.canonical", "in.none", "$SRV.PING", "reply.a.b"} {
		if err := svc.PublishRequest(s, "in.lines", []byte("x\nuser.eve")); err != nil {
			t.Fatal(err)
		}
	}
	ask(t, dial("orders"), message("in.lines", "x\nuser.ann"))
	ask(t, svc, message("in.lines", "x\nuser.ann"))
	if got := n.all(t, "user.eve"); len(got) > 0 {
		t.Errorf("stored: %v", got)
	}
	if len(heard) > 0 {
		t.Errorf("heard: %s", (<-heard).Subject)
	}
}

func TestAStructuredCloudEventIsStoredInBinaryForm(t *testing.T) {
	n := open(t, publishers...)
	nc := n.dial(t, "orders")
	const doc = `{"specversion":"1.0","id":"7","source":"/s","type":"made","subject":"a b","data": {"x":1.0}}`
	for i, header := range [][]string{
		{"content-type", "application/cloudevents+json", "ce-type", "other", "Ce-Id", "other", "x", "kept", "Nats-Msg-Id", "m"},
		{"Content-Type", "Application/CloudEvents+JSON; charset=utf-8", "ce-gone", "1", "x", "kept", "Nats-Sequence", "1"},
	} {
		if told := ask(t, nc, message("user.ann", doc, header...)); told.ID == "" {
			t.Fatalf("told %+v", told)
		}
		s := n.all(t, "user.ann")[i]
		typ, err := event.TypeOf(&s)
		if string(s.Data) != `{"x":1.0}` || typ != "made" || err != nil {
			t.Errorf("stored %s of type %q, %v", s.Data, typ, err)
		}
		want := map[string]string{"ce-specversion": "1.0", "ce-id": "7", "ce-source": "/s", "ce-type": "made", "ce-subject": "a%20b", "content-type": "application/json", "x": "kept"}
		for name, values := range s.Header {
			if strings.HasPrefix(name, "Nats-") {
				continue
			}
			if !slices.Equal(values, []string{want[name]}) {
				t.Errorf("header %s: %q", name, values)
			}
			delete(want, name)
		}
		if len(want) > 0 {
			t.Errorf("headers %v are missing", want)
		}
	}
	for _, bad := range []string{`{"specversion":"1.0","source":"/s","type":"made"}`, `{}`, `x`, "", `{"specversion":"1.0","id":"7","source":"/s","type":"weft.open"}`} {
		if told := ask(t, nc, message("user.ann", bad, "content-type", "application/cloudevents+json")); told.Error.Code != 400 {
			t.Errorf("%s: told %+v", bad, told)
		}
	}
	if got := refusals(t, n, "bad_event"); got != 4 {
		t.Errorf("%v are counted", got)
	}
	// What does not say so is not looked at.
	ask(t, nc, message("user.bob", doc, "ce-type", "plain"))
	if s := n.all(t, "user.bob")[0]; string(s.Data) != doc || len(s.Header["ce-id"]) > 0 || event.FirstValue(s.Header, "ce-type") != "plain" {
		t.Errorf("a plain publish is stored as %s with %v", s.Data, s.Header)
	}
}

// A type is stored encoded, as what is read of it is decoded: one that looks as if it were
// encoded is delivered as it was written, and not as another one, or never.
func TestATypeIsDeliveredAsItWasPublished(t *testing.T) {
	n := openWith(t, lines, publishers...)
	nc := n.dial(t, "orders")
	for i, typ := range []string{"100%41", "weft%2Eopen", `"quoted"`, "a b", " a ", "größer", "%0D", "plain"} {
		doc, err := json.Marshal(map[string]string{"specversion": "1.0", "id": "1", "source": "/s", "type": typ})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []*nats.Msg{
			message("user.ann", string(doc), "content-type", "application/cloudevents+json"),
			message("in.lines", "x\nuser.ann", "kind", typ),
		} {
			if typ == " a " && m.Subject == "in.lines" {
				continue // a header has no blanks at its ends
			}
			if told := ask(t, nc, m); told.ID == "" {
				t.Fatalf("%q to %s: told %+v", typ, m.Subject, told)
			}
			got := n.all(t, "user.ann")
			if read, err := event.TypeOf(&got[len(got)-1]); read != typ || err != nil {
				t.Errorf("%d: %q to %s is read as %q, %v", i, typ, m.Subject, read, err)
			}
		}
	}
}
