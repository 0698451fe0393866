package feed_test

import (
	"testing"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
)

// publishRaw publishes as a client with its own idea of headers would.
func (h *site) publishRaw(t testing.TB, subject string, headers map[string]string, data string) {
	t.Helper()
	m := nats.NewMsg(subject)
	for k, v := range headers {
		m.Header[k] = []string{v}
	}
	m.Data = []byte(data)
	c, err := h.node.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.RequestMsgWithContext(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func (h *site) deleteStream(t testing.TB) {
	t.Helper()
	c, err := h.node.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	j, err := js.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.DeleteStream(t.Context(), "EVENTS"); err != nil {
		t.Fatal(err)
	}
}
