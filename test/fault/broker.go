package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// brokerRestart kills Kafka's only broker and starts it again.
var brokerRestart = Fault{Name: "broker restart", Calm: true, Apply: func(ctx context.Context, c *Cluster) error {
	c.Kafka.Kill()
	if err := waitfor.Time(ctx, time.Second); err != nil {
		return err
	}
	return c.Kafka.Start(ctx)
}}

const (
	// storm is how long strangers join and leave the group.
	storm = 6 * time.Second
	// stay is the most that one stays. What it is assigned meanwhile waits.
	stay = 1500 * time.Millisecond
)

// rebalanceStorm lets members that forward nothing join and leave the nodes' consumer
// group, and restarts a node amid that.
var rebalanceStorm = Fault{Name: "rebalance storm", Apply: func(ctx context.Context, c *Cluster) error {
	restarted := make(chan error, 1)
	i := rand.IntN(len(c.Nodes))
	time.AfterFunc(storm/3, func() { restarted <- c.stop(ctx, i) })
	end := time.Now().Add(storm)
	for time.Now().Before(end) {
		if err := c.visitGroup(ctx, stay/10+rand.N(stay)); err != nil {
			return err
		}
	}
	if err := <-restarted; err != nil {
		return err
	}
	c.Nodes[i].Launch()
	return nil
}}

// visitGroup is a member of the nodes' group for so long, commits nothing and leaves.
func (c *Cluster) visitGroup(ctx context.Context, stay time.Duration) error {
	member, err := kgo.NewClient(kgo.SeedBrokers(c.Kafka.Address), kgo.ConsumerGroup(stage.Group(topicName)), kgo.ConsumeTopics(topicName),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.DisableAutoCommit(),
		kgo.HeartbeatInterval(200*time.Millisecond), kgo.SessionTimeout(6*time.Second))
	if err != nil {
		return fmt.Errorf("join the group: %w", err)
	}
	defer member.Close() // leaves the group
	ctx, cancel := context.WithTimeout(ctx, stay)
	defer cancel()
	for ctx.Err() == nil {
		member.PollFetches(ctx)
	}
	return nil
}
