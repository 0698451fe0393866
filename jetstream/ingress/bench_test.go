package ingress_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
)

// BenchmarkIngress stores what a NATS client publishes, with acknowledgements.
func BenchmarkIngress(b *testing.B) {
	n := open(b)
	nc, err := nats.Connect(n.srv.ClientURL())
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	store, err := js.New(nc, js.WithPublishAsyncMaxPending(4096))
	if err != nil {
		b.Fatal(err)
	}
	payload := bytes.Repeat([]byte("x"), 128)
	b.ResetTimer()
	for i := range b.N {
		if _, err := store.PublishAsync(fmt.Sprintf("user.user%d", i%1000), payload, js.WithStallWait(30*time.Second)); err != nil {
			b.Fatal(err)
		}
	}
	select {
	case <-store.PublishAsyncComplete():
	case <-time.After(time.Minute):
		b.Fatal("not all is stored")
	}
}
