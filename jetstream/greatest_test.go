package jetstream

import (
	"bytes"
	"strings"
	"testing"

	"weft/jetstream/event"
	"weft/jetstream/subject"
)

// What is as large as it may be in every way fits into the store.
func TestTheGreatestEventIsStored(t *testing.T) {
	n := open(t, testConfig(t))
	to := subject.Topic
	for len(to)+201 <= subject.MaxBytes {
		to += strings.Repeat("a", 200) + "."
	}
	to += strings.Repeat("a", subject.MaxBytes-len(to))
	e := event.Event{Subject: to, Type: strings.Repeat("x", event.MaxTypeBytes), Data: bytes.Repeat([]byte("x"), event.MaxBytes),
		Header: map[string]string{"a": strings.Repeat("x", event.MaxHeaderBytes-5)}, ID: event.Operators.KeyID(strings.Repeat("k", 255), 1)}
	if _, err := n.Store().Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	b, err := n.Store().Read(t.Context(), e.Subject, 1, 1, 1)
	if err != nil || len(b.Messages) != 1 || len(b.Messages[0].Data) != event.MaxBytes {
		t.Fatalf("%d messages, %v", len(b.Messages), err)
	}
}
