package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"weft/bridge/target"
	"weft/edge/proxy/reply"
	"weft/jetstream/routes"
)

// openRequests opens the way of requests to Kafka, and of answers from there to who waits
// for them. Kafka may be away.
func (n *node) openRequests(ctx context.Context, waiting *reply.Waiting, reg prometheus.Registerer) (err error) {
	if n.requests, err = target.New(n.cfg.Kafka, waiting, n.log.With("room", "kafka"), reg); err != nil {
		return fmt.Errorf("read kafka: %w", err)
	}
	n.down.add("requests", n.requests.Close)
	if err := n.requests.Open(ctx); err != nil {
		return fmt.Errorf("open kafka: %w", err)
	}
	n.member.Routes().OnTable(func(t *routes.Table) { n.requests.Follow(replyTopics(t)) })
	return nil
}

// replyTopics are those that answers to requests come by.
func replyTopics(t *routes.Table) []string {
	topics := map[string]struct{}{}
	for _, r := range t.Routes {
		if r.Reply != nil && r.Reply.Topic != "" {
			topics[r.Reply.Topic] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(topics))
}
