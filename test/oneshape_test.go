package test

import (
	"encoding/json"
	"maps"
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

// The event that comes in by every door and in every form, but for its id.
const (
	shapeDoc = `{"specversion":"1.0","id":"%","source":"/shop","type":"order.paid","subject":"a b é","n":7,"user":"ann",
		"time":"2026-01-01T00:00:00Z","data": {"total": 1.50} }`
	shapeData = `{"total": 1.50}`
	shapeCE   = `{"source":"/shop","time":"2026-01-01T00:00:00Z","subject":"a b é","specversion":"1.0","datacontenttype":"application/json","n":"7","user":"ann"}`
)

// A CloudEvent looks the same to a client whichever way it came, and has the id that its
// publisher was told.
func TestACloudEventHasOneShapeWhateverItsDoorAndForm(t *testing.T) {
	t.Parallel()
	k := broker(t)
	in := topic(t, k, 1)
	node := stage.StartNode(t, stage.Settings(t.TempDir()).
		With("auth.publish", []string{"user.*"}).
		With("ingest.rules", []any{map[string]any{"name": "people", "to": []string{"user.{/user}"}}}).
		Kafka(k.Address, stage.Source{"topic": in, "to": []string{"user.{/user}"}, "start": "oldest"}))
	attributes := func(prefix string, escape func(string) string) map[string]string {
		h := map[string]string{"content-type": "application/json"}
		for name, value := range map[string]string{"specversion": "1.0", "source": "/shop", "type": "order.paid", "subject": "a b é",
			"n": "7", "user": "ann", "time": "2026-01-01T00:00:00Z"} {
			h[prefix+name] = escape(value)
		}
		return h
	}
	percent := func(s string) string { return strings.NewReplacer("%2F", "/", "%3A", ":").Replace(url.PathEscape(s)) }
	asIs := func(s string) string { return s }
	token := map[string]string{"Authorization": "Bearer " + stage.Token(t, "shop", nil)}
	byHTTP := func(origin, query, contentType string) func(string) string {
		return func(id string) string {
			header, body := map[string]string{"content-type": contentType}, strings.Replace(shapeDoc, "%", id, 1)
			switch {
			case strings.Contains(contentType, "batch"):
				body = "[" + body + "]"
			case contentType == "":
				header, body = attributes("ce-", percent), shapeData
				header["ce-id"] = id
			}
			values, err := url.ParseQuery(query)
			if err != nil {
				t.Fatal(err)
			}
			maps.Copy(header, token)
			p := post(t, origin, values, header, []byte(body))
			if len(p.IDs) != 1 {
				t.Fatalf("%s %s: %+v", contentType, query, p)
			}
			return p.IDs[0]
		}
	}
	byNATS := func(subject string, structured bool) func(string) string {
		return func(id string) string {
			m := nats.NewMsg(subject)
			m.Header["content-type"], m.Data = []string{"application/cloudevents+json"}, []byte(strings.Replace(shapeDoc, "%", id, 1))
			if !structured {
				for name, value := range attributes("ce-", percent) {
					m.Header[name] = []string{value}
				}
				m.Header["ce-id"], m.Data = []string{id}, []byte(shapeData)
			}
			answer, err := node.NATS().RequestMsg(m, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			var ack struct{ ID string }
			if err := json.Unmarshal(answer.Data, &ack); err != nil || ack.ID == "" {
				t.Fatalf("%s is answered %s", subject, answer.Data)
			}
			return ack.ID
		}
	}
	byKafka := func(structured bool) func(string) string {
		return func(id string) string {
			r := &kgo.Record{Topic: in, Value: []byte(strings.Replace(shapeDoc, "%", id, 1)), Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/cloudevents+json")}}}
			if !structured {
				r.Value, r.Headers = []byte(shapeData), []kgo.RecordHeader{{Key: "ce_id", Value: []byte(id)}}
				for name, value := range attributes("ce_", asIs) {
					r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
				}
			}
			produce(t, k.Address, r)
			return ""
		}
	}
	const structured = "application/cloudevents+json"
	doors := map[string]func(id string) string{
		"structured": byHTTP(node.AdminURL(), "", structured), "structured, public": byHTTP(node.URL(), "", structured),
		"batch": byHTTP(node.URL(), "", "application/cloudevents-batch+json"), "JSON": byHTTP(node.URL(), "", "application/json"),
		"binary": byHTTP(node.URL(), "", ""), "structured by a rule": byHTTP(node.URL(), "rule=people", structured), "binary by a rule": byHTTP(node.URL(), "rule=people", ""),
		"NATS, structured": byNATS("user.ann", true), "NATS, binary": byNATS("user.ann", false),
		"NATS, structured by a rule": byNATS("in.people", true), "NATS, binary by a rule": byNATS("in.people", false),
		"Kafka, structured": byKafka(true), "Kafka, binary": byKafka(false),
	}
	readers := everywhere(t, node, "ann")
	names := slices.Sorted(maps.Keys(doors))
	for i, name := range names {
		id := doors[name](name)
		for transport, r := range readers {
			e := awaitEvents(t, r, i+1)[i]
			if e.Type != "order.paid" || string(e.Data) != shapeData {
				t.Errorf("%s over %s: %s of type %q", name, transport, e.Data, e.Type)
			}
			if transport == client.SSE {
				continue
			}
			if id != "" && e.EventID != id {
				t.Errorf("%s over %s: the id is %q, its publisher was told %q", name, transport, e.EventID, id)
			}
			var got, want map[string]any
			if err := json.Unmarshal(e.CloudEvent, &got); err != nil {
				t.Fatalf("%s over %s: %q", name, transport, e.CloudEvent)
			}
			if err := json.Unmarshal([]byte(shapeCE), &want); err != nil {
				t.Fatal(err)
			}
			want["id"] = name
			if !maps.Equal(got, want) {
				t.Errorf("%s over %s: the attributes are %v, want %v", name, transport, got, want)
			}
		}
	}
}
