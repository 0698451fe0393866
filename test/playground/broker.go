package main

import (
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kfake"
)

// The Kafka topics of the playground: one whose records are for one user, one
// whose records are for everybody who follows topic.chat, and those of the shop.
const (
	kafkaOrders = "orders"
	kafkaChat   = "chat"
	// Orders of the page go to the shop by one topic, and its answers come by another.
	kafkaShop    = "shop"
	kafkaReplies = "shop.replies"
)

// A broker speaks the Kafka protocol and keeps its records for as long as the
// playground runs.
type broker struct{ cluster *kfake.Cluster }

// openBroker serves on ln, which it closes in the end.
func openBroker(ln net.Listener) (*broker, error) {
	c, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return ln, nil }),
		kfake.SeedTopics(4, kafkaOrders, kafkaChat, kafkaShop, kafkaReplies),
	)
	if err != nil {
		_ = ln.Close() // the first error is the one to tell
		return nil, fmt.Errorf("start Kafka broker: %w", err)
	}
	return &broker{c}, nil
}

// Close ends the broker. It may be called twice.
func (b *broker) Close() error {
	b.cluster.Close()
	return nil
}
