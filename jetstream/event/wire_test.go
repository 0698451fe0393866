package event_test

import (
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/event"
)

func TestHeadersOnTheWireAreThoseOfTheMessage(t *testing.T) {
	id := event.RecordID("kafka", "orders", 3, 17)
	long := event.RecordID("kafka", string(make([]byte, 200)), 3, 17)
	for _, e := range []event.Event{
		{Subject: "user.ann"},
		{Subject: "user.ann", Source: event.SourceKafka},
		{Subject: "user.ann", Source: event.SourceHTTP, Made: time.UnixMilli(1700000000123), ID: id},
		{Subject: "user.ann", Type: "order shipped", ID: long},
		{Subject: "user.ann", Type: "a", Header: map[string]string{event.HeaderType: "b", "ce-source": " /x\t", "empty": "", "content-type": "a: b"}, ID: id},
		{Subject: "user.ann", Source: event.Sources},
	} {
		text := ""
		if !e.ID.IsZero() {
			text = e.ID.Text("secret", e.Subject)
		}
		got, err := nats.DecodeHeadersMsg(e.AppendHeader(nil, "secret"))
		if err != nil {
			t.Fatal(err)
		}
		want := e.Message(text).Header
		if want == nil {
			want = nats.Header{}
		}
		want = maps.Clone(want)
		if v, ok := want["ce-source"]; ok && v[0] == " /x\t" {
			want["ce-source"] = []string{"/x"} // as the client library sends it
		}
		if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: %q, want %q", e, got, want)
		}
	}
}
