package kafka

import (
	"context"
	"crypto/tls"
	"time"

	"github.com/IBM/sarama"

	"weft/bridge"
	"weft/bridge/broker"
)

const (
	// commitInterval is how often marked offsets are committed. What lies
	// between is read again after a crash and must be looked up.
	commitInterval = 250 * time.Millisecond
	// fetchBytes is asked for per partition and request: it bounds memory.
	fetchBytes = 256 << 10
	// A partition that another broker leads now is looked for after a pause that
	// begins with the first and doubles up to the second.
	retryLeaderFirst = 50 * time.Millisecond
	retryLeaderMost  = 2 * time.Second
	// deadLetterBytes is the greatest dead letter that is tried; the broker has
	// the last word.
	deadLetterBytes = 64 << 20
)

// groupConfig is for a member of the consumer group.
func groupConfig(k *bridge.KafkaConfig, tlsConfig *tls.Config, start string) *sarama.Config {
	c := broker.Config(k, tlsConfig)
	c.Consumer.Return.Errors = true
	c.Consumer.Fetch.Default = fetchBytes
	// A claim that ends waits for the fetch that is under way.
	c.Consumer.MaxWaitTime = 100 * time.Millisecond
	c.Consumer.Retry.BackoffFunc = func(retries int) time.Duration {
		return min(retryLeaderFirst<<min(retries-1, 10), retryLeaderMost)
	}
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	if start == bridge.StartNewest {
		c.Consumer.Offsets.Initial = sarama.OffsetNewest
	}
	c.Consumer.Offsets.AutoCommit.Interval = commitInterval
	if k.ReadCommitted {
		c.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	g := &c.Consumer.Group
	g.Heartbeat.Interval = k.Heartbeat
	g.Session.Timeout = k.SessionTimeout
	g.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyCooperativeSticky()}
	// A claim that hangs on the store when it is revoked holds the partition up
	// for this long, no longer.
	g.Rebalance.Timeout = k.SessionTimeout
	// While members join one after the other, each waits for this between tries.
	g.Rebalance.Retry.Backoff, g.Rebalance.Retry.Max = 50*time.Millisecond, 20
	return c
}

// fetchConfig is for the connections over which a member fetches; see fetchClient.
func fetchConfig(k *bridge.KafkaConfig, tlsConfig *tls.Config) *sarama.Config {
	c := broker.Config(k, tlsConfig)
	c.Metadata.RefreshFrequency = 0
	return c
}

// leaseConfig is for the heartbeats of a lease: an answer that comes late is
// worth nothing.
func leaseConfig(k *bridge.KafkaConfig, tlsConfig *tls.Config) *sarama.Config {
	c := broker.Config(k, tlsConfig)
	c.Net.DialTimeout = k.SessionTimeout / 3
	c.Net.ReadTimeout = k.SessionTimeout / 3
	c.Net.WriteTimeout = k.SessionTimeout / 3
	c.Metadata.Retry.Max = 0
	return c
}

// deadLetterConfig is for the producer of dead letters.
func deadLetterConfig(k *bridge.KafkaConfig, tlsConfig *tls.Config) *sarama.Config {
	c := broker.Config(k, tlsConfig)
	c.Producer.Return.Successes = true
	c.Producer.Return.Errors = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.MaxMessageBytes = deadLetterBytes
	c.Producer.Partitioner = sarama.NewHashPartitioner
	// A record that fitted into its topic compressed must fit again.
	c.Producer.Compression = sarama.CompressionSnappy
	return c
}

// connect makes a client. The library cannot be interrupted while it connects;
// when ctx ends first, the client is closed as soon as it is there.
func connect(ctx context.Context, brokers []string, conf *sarama.Config) (sarama.Client, error) {
	type result struct {
		client sarama.Client
		err    error
	}
	done := make(chan result, 1)
	go func() {
		client, err := sarama.NewClient(brokers, conf)
		done <- result{client, err}
	}()
	select {
	case r := <-done:
		return r.client, r.err
	case <-ctx.Done():
		go func() {
			if r := <-done; r.client != nil {
				_ = r.client.Close() // nobody waits for it any more
			}
		}()
		return nil, ctx.Err()
	}
}
