package kafka

import (
	"maps"
	"testing"

	"weft/bridge"
)

// What the store refuses of a CloudEvent is written to the dead-letter topic as one, from
// which the same event can be made again.
func TestARefusedCloudEventIsOneAgainInTheDeadLetterTopic(t *testing.T) {
	rule, err := bridge.NewRule(bridge.Source{Topic: "t", To: []string{"topic.{/subject}"}})
	if err != nil {
		t.Fatal(err)
	}
	record := bridge.Record{Value: []byte(`{"specversion":"1.0","id":"a b","source":"/s","type":"made","subject":"100%","data":[1]}`),
		Headers: []bridge.Header{{Name: "content-type", Value: []byte("application/cloudevents+json")}, {Name: "traceparent", Value: []byte("00-1")}}}
	first, err := rule.Events(&record)
	if err != nil {
		t.Fatal(err)
	}
	letter := bridge.Record{Value: first[0].Data}
	for _, h := range recordHeaders(&first[0]) {
		letter.Headers = append(letter.Headers, bridge.Header{Name: string(h.Key), Value: h.Value})
	}
	again, err := rule.Events(&letter)
	if err != nil || len(again) != 1 {
		t.Fatalf("%q: %v", letter.Headers, err)
	}
	if a, b := again[0], first[0]; a.Subject != b.Subject || a.Type != b.Type || string(a.Data) != string(b.Data) || !maps.Equal(a.Header, b.Header) {
		t.Errorf("%+v, want %+v", a, b)
	}
}
