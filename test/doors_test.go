package test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kgo"

	"weft/test/client"
	"weft/test/stage"
)

// An offer is an event that a publisher would like to have stored.
type offer struct {
	name        string
	subject     string // "" is the inbox that the door writes to
	kind        string
	contentType string
	data        []byte
	// code is what a door that answers says; "" means that it is taken.
	code string
	// stored is what arrives of a CloudEvent, if that is looked at.
	stored string
	// not names the doors at which there is no way to say such a thing.
	not []string
}

// offers is what is put to every door.
func offers() []offer {
	const mib = 1048576
	x := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	quoted := func(n int) []byte { return append(append([]byte{'"'}, x(n-2)...), '"') }
	topic := func(n int) string {
		s := "topic"
		for n-len(s) > 191 {
			s += "." + string(x(190))
		}
		return s + "." + string(x(n-len(s)-1))
	}
	event := func(rest string) []byte {
		return []byte(`{"specversion":"1.0","id":"1","source":"/s"` + rest + `}`)
	}
	const structured = "application/cloudevents+json"
	fields, written := []string{"WebSocket"}, []string{"Kafka"} // it has no headers; it escapes what it is given
	return []offer{
		{name: "1 MiB", data: quoted(mib)},
		{name: "1 MiB and a byte", data: quoted(mib + 1), code: "too_large"},
		{name: "a type of 200 bytes", kind: string(x(200)), data: []byte(`1`)},
		{name: "a type of 201 bytes", kind: string(x(201)), data: []byte(`1`), code: "bad_event"},
		{name: "a type of Weft's own", kind: "weft.x", data: []byte(`1`), code: "bad_event"},
		{name: "a type with a control character", kind: "a\x01b", data: []byte(`1`), code: "bad_event"},
		{name: "a type with a line separator", kind: "a\u2028b", data: []byte(`1`), code: "bad_event"},
		{name: "JSON", contentType: "application/json", data: []byte(`{"a":1}`), not: fields},
		{name: "bad UTF-8 as JSON", contentType: "application/json", data: []byte("{\"a\":\"\xff\"}"), code: "bad_event", not: fields},
		{name: "half of a JSON value", contentType: "application/problem+json", data: []byte(`{"a":`), code: "bad_event", not: fields},
		{name: "bad UTF-8 as text", contentType: "text/plain", data: []byte("{\"a\":\"\xff\"}"), not: fields},
		{name: "a CloudEvent", contentType: structured, data: event(`,"type":"t", "data": [1.0, 2]`), stored: `[1.0, 2]`, not: fields},
		{name: "a CloudEvent of 700,000 bytes in base64", contentType: structured,
			data: event(`,"type":"t","id":"2","datacontenttype":"x/y","data_base64":"` + base64.StdEncoding.EncodeToString(x(700_000)) + `"`), stored: string(x(700_000)), not: fields},
		{name: "a CloudEvent without an id", contentType: structured, data: []byte(`{"specversion":"1.0","source":"/s","type":"t"}`), code: "bad_event", not: fields},
		{name: "a CloudEvent without a source", contentType: structured, data: []byte(`{"specversion":"1.0","id":"1","type":"t"}`), code: "bad_event", not: fields},
		{name: "a CloudEvent with too many bytes of attributes", contentType: structured, data: event(`,"type":"t","x":"` + string(x(33<<10)) + `"`), code: "too_large", not: fields},
		{name: "a CloudEvent of a type of Weft's own", contentType: structured, data: event(`,"type":"weft.x"`), code: "bad_event", not: fields},
		{name: "a CloudEvent with bad UTF-8", contentType: structured, data: event(",\"type\":\"t\",\"data\":\"\xff\""), code: "bad_event", not: fields},
		{name: "a user who is not escaped", subject: "user.ann@x.org", data: []byte(`1`), code: "bad_subject", not: written},
		{name: "a user escaped in lower case", subject: "user.ann=40x=2eorg", data: []byte(`1`), code: "bad_subject", not: written},
		{name: "a user of two tokens", subject: "user.a.b", data: []byte(`1`), code: "bad_subject", not: written},
		{name: "a wildcard", subject: "topic.*", data: []byte(`1`), code: "bad_subject", not: written},
		{name: "a delivery copy", subject: "out.user.ann", data: []byte(`1`), code: "bad_subject", not: []string{"Kafka", "NATS"}},
		{name: "a topic of 17 tokens", subject: "topic" + strings.Repeat(".a", 17), data: []byte(`1`), code: "bad_subject", not: written},
		{name: "a topic of 2048 bytes", subject: topic(2048), data: []byte(`1`), not: written},
		{name: "a topic of 2049 bytes", subject: topic(2049), data: []byte(`1`), code: "bad_subject", not: written},
		{name: "a topic longer than a line of the NATS protocol", subject: "topic" + strings.Repeat("."+strings.Repeat("=E2", 190), 16),
			data: []byte(`1`), code: "bad_subject", not: []string{"Kafka", "NATS"}},
	}
}

// A door is a way in. put offers an event; its answer is a code, "" when it was
// taken, or when the door does not answer.
type door struct {
	name   string
	silent bool // it does not answer
	put    func(t *testing.T, o offer) string
}

// What an event may be is one question with one answer, whatever door it is put to,
// and what is taken arrives.
func TestEveryDoorHasTheSameLimit(t *testing.T) {
	k := broker(t)
	records := topicName(t.Name())
	if err := stage.CreateTopic(within(t, time.Minute), k.Address, records, 1, "max.message.bytes", "4194304"); err != nil {
		t.Fatal(err)
	}
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("auth.publish", []string{"user.*", "topic.>"}).
		With("auth.allow", []string{"topic.>"}).
		Kafka(k.Address, stage.Source{"topic": records, "to": []string{"user.{key}"}, "type": "{header:kind}", "start": "oldest"}))
	token := stage.Token(t, "publisher", nil)
	for _, d := range []door{
		{name: "admin", put: httpDoor(node.AdminURL(), nil)},
		{name: "public", put: httpDoor(node.URL(), map[string]string{"Authorization": "Bearer " + token})},
		{name: "WebSocket", put: socketDoor(t, node, token)},
		{name: "Kafka", put: kafkaDoor(t, k.Address, records), silent: true},
		{name: "NATS", put: natsDoor(node)},
	} {
		t.Run(d.name, func(t *testing.T) {
			r := record(t, client.Poll, client.Target{URL: node.URL(), Token: stage.Token(t, "reader", nil),
				Query: url.Values{"subject": {"user.reader", "topic.>"}}})
			arrived := 0
			for _, o := range append(offers(), offer{name: "one more", kind: "t", data: []byte(`"end"`)}) {
				if slices.Contains(o.not, d.name) {
					continue
				}
				if o.subject == "" {
					o.subject = "user.reader"
				}
				if code := d.put(t, o); code != o.code && !d.silent {
					t.Errorf("%s: %q, want %q", o.name, code, o.code)
				}
				if o.code != "" {
					continue
				}
				events, err := r.AwaitEvents(soon(t), arrived+1)
				if err != nil {
					t.Fatalf("%s: it does not arrive: %v", o.name, err)
				}
				e := events[arrived]
				arrived++
				if e.Subject != o.subject || o.contentType == "" && (e.Type != o.kind || !bytes.Equal(e.Data, o.data)) {
					t.Errorf("%s: %d bytes of type %.20q for %.40s arrived", o.name, len(e.Data), e.Type, e.Subject)
				}
				if o.stored != "" && (e.Text() != o.stored || e.Type != "t") {
					t.Errorf("%s: %.100q of type %.20q arrived", o.name, e.Text(), e.Type)
				}
			}
			if events := r.Events(); len(events) != arrived {
				t.Errorf("%d events arrived, want %d", len(events), arrived)
			}
		})
	}
}

// A subject that no line of the NATS protocol can hold is refused to those who want
// to follow it, too, and the node lives on.
func TestASubjectLongerThanALineIsRefused(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("auth.allow", []string{"topic.>"}))
	long := "topic" + strings.Repeat("."+strings.Repeat("=E2", 90), 16)
	for _, pattern := range []string{long, long[:len(long)-270] + "*"} {
		_, err := client.Record(soon(t), client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil),
			Query: url.Values{"subject": {pattern}}})
		if err == nil || !strings.Contains(err.Error(), "bad_subject") {
			t.Errorf("%d bytes: %v", len(pattern), err)
		}
	}
	r := record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil)})
	publish(t, node, "ann", "", []byte("still there"))
	awaitEvents(t, r, 1)
}

func httpDoor(origin string, token map[string]string) func(*testing.T, offer) string {
	return func(t *testing.T, o offer) string {
		header := map[string]string{"Content-Type": o.contentType}
		for k, v := range token {
			header[k] = v
		}
		p := post(t, origin, url.Values{"subject": {o.subject}, "type": {o.kind}}, header, o.data)
		return p.Problem.Code
	}
}

// socketDoor publishes over a connection that its user has open.
func socketDoor(t *testing.T, node *stage.Node, token string) func(*testing.T, offer) string {
	r := record(t, client.WebSocket, client.Target{URL: node.URL(), Token: token})
	sent := 0
	return func(t *testing.T, o offer) string {
		sent++
		err := r.Send(map[string]any{"ref": fmt.Sprint(sent), "publish": map[string]any{
			"subject": o.subject, "type": o.kind, "data": json.RawMessage(o.data)}})
		if err != nil {
			t.Fatalf("%s: %v", o.name, err)
		}
		var answer struct {
			Ref   string
			Error struct{ Code string }
		}
		err = r.Await(soon(t), func(all []client.Event) bool {
			for _, e := range all {
				if e.Type == "answer" && json.Unmarshal(e.Data, &answer) == nil && answer.Ref == fmt.Sprint(sent) {
					return true
				}
				answer.Error.Code = ""
			}
			return false
		})
		if err != nil {
			t.Fatalf("%s: no answer: %v", o.name, err)
		}
		return answer.Error.Code
	}
}

// kafkaDoor produces records, whose order says that what does not arrive before the
// next one does not arrive.
func kafkaDoor(t *testing.T, address, topic string) func(*testing.T, offer) string {
	cl, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ProducerBatchMaxBytes(4<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return func(t *testing.T, o offer) string {
		record := &kgo.Record{Topic: topic, Key: []byte(strings.TrimPrefix(o.subject, "user.")), Value: o.data,
			Headers: []kgo.RecordHeader{{Key: "kind", Value: []byte(o.kind)}}}
		if o.contentType != "" {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: "content-type", Value: []byte(o.contentType)})
		}
		if err := cl.ProduceSync(soon(t), record).FirstErr(); err != nil {
			t.Fatalf("%s: %v", o.name, err)
		}
		return ""
	}
}

// natsDoor publishes and waits for the acknowledgement. What is refused has the
// offer's code, for the answer has none of ours.
func natsDoor(node *stage.Node) func(*testing.T, offer) string {
	nc := node.NATS()
	return func(t *testing.T, o offer) string {
		m := &nats.Msg{Subject: o.subject, Header: nats.Header{}, Data: o.data}
		if o.kind != "" {
			m.Header["ce-type"] = []string{o.kind}
		}
		if o.contentType != "" {
			m.Header["content-type"] = []string{o.contentType}
		}
		answer, err := nc.RequestMsg(m, 20*time.Second)
		if errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrNoResponders) {
			return o.code
		}
		if err != nil {
			t.Fatalf("%s: %v", o.name, err)
		}
		var ack struct{ Seq uint64 }
		if json.Unmarshal(answer.Data, &ack) != nil || ack.Seq == 0 {
			return o.code
		}
		return ""
	}
}
