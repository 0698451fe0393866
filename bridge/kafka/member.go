package kafka

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/IBM/sarama"
)

const (
	// Pauses between two tries to reach Kafka, doubled up to the second; wrong
	// credentials wait longer, since brokers lock accounts.
	retryFirst = 250 * time.Millisecond
	retryMost  = 5 * time.Second
	retryLogin = 30 * time.Second
	// lookForTopics is how often a missing topic is looked for.
	lookForTopics = 5 * time.Second
	// leaveWait bounds leaving the group.
	leaveWait = 2 * time.Second
	// comeBack is for how long a member whose brokers are away tries to come back
	// as the one it was. A group that returns with them waits for the members it
	// had; a new one in the place of one that has gone would wait until the other
	// is missed.
	comeBack = time.Minute
	// settled is how long a session must have lasted for the pauses to begin anew.
	settled = 10 * time.Second
)

// errTopics is the cause with which a session ends because a missing topic has
// appeared and is to be subscribed to.
var errTopics = errors.New("a topic has appeared")

// cutOffFor is how long a node may be cut off from the others and stay in the group: links
// that are made anew within it make no rebalance.
const cutOffFor = 500 * time.Millisecond

// A member is one member of the consumer group.
type member struct {
	*Consumer
	start  string
	topics []string
	log    *slog.Logger
}

func newMember(c *Consumer, start string, topics []string) *member {
	return &member{Consumer: c, start: start, topics: topics, log: c.log.With("group", c.opts.Kafka.Group)}
}

// run joins, and joins again, until ctx ends. A node that is cut off from the
// others leaves the group soon: it could store nothing of its partitions, another one can.
func (m *member) run(ctx context.Context) {
	tries := newBackoff(retryFirst, retryMost)
	for {
		linked, cancel, err := m.store.Majority(ctx, cutOffFor)
		if err != nil {
			return
		}
		began := time.Now()
		err = m.connected(linked)
		cut := linked.Err() != nil
		cancel()
		if ctx.Err() != nil {
			return
		}
		if cut {
			m.log.Warn("left the Kafka consumer group: the node is cut off from the others")
			continue
		}
		if time.Since(began) > settled {
			tries.reset()
		}
		least := time.Duration(0)
		if err != nil {
			m.reporter.report("connect to Kafka", err)
			if isAuthentication(err) {
				least = retryLogin
			}
		}
		if !tries.wait(ctx, least) {
			return
		}
	}
}

// connected consumes over one client, as one member, until something fails for
// longer or ctx ends.
func (m *member) connected(ctx context.Context) error {
	k := &m.opts.Kafka
	client, err := connect(ctx, k.Brokers, groupConfig(k, m.tls, m.start))
	if err != nil {
		return err
	}
	defer client.Close()
	pings, err := connect(ctx, k.Brokers, leaseConfig(k, m.tls))
	if err != nil {
		return err
	}
	defer pings.Close()
	fetches, err := connect(ctx, k.Brokers, fetchConfig(k, m.tls))
	if err != nil {
		return err
	}
	defer fetches.Close()
	group, err := sarama.NewConsumerGroupFromClient(k.Group, &fetchClient{Client: client, fetches: fetches})
	if err != nil {
		return err
	}
	reported := make(chan struct{})
	go func() {
		defer close(reported)
		for err := range group.Errors() {
			m.reporter.report("consume", err)
		}
	}()
	defer func() {
		left := make(chan struct{})
		go func() {
			defer close(left)
			_ = group.Close() // the group drops a member that cannot say goodbye
			<-reported
		}()
		select {
		case <-left:
		case <-time.After(leaveWait):
		}
	}()
	var there time.Time // the last time that the group was
	for ctx.Err() == nil {
		err := m.consume(ctx, group, client, pings)
		switch {
		case err == nil, ctx.Err() != nil:
			there = time.Now()
		case time.Since(there) > comeBack, errors.Is(err, errSessionLost), isAuthentication(err):
			return err
		default:
			m.reporter.report("connect to Kafka", err)
		}
		pause(ctx, retryFirst)
	}
	return nil
}

// consume runs one session of the group.
func (m *member) consume(ctx context.Context, group sarama.ConsumerGroup, client, pings sarama.Client) error {
	present, missing, err := m.present(client)
	if err != nil {
		return err
	}
	if len(present) == 0 {
		pause(ctx, time.Second)
		return nil
	}
	sessionCtx, end := context.WithCancelCause(ctx)
	defer end(nil)
	if len(missing) > 0 {
		go m.await(sessionCtx, client, missing, func() { end(errTopics) })
	}
	s := &session{member: m, ctx: ctx, end: end, client: client, pings: pings}
	s.lookbacks = newLookbacks(s)
	err = group.Consume(sessionCtx, present, s)
	s.close()
	switch cause := context.Cause(sessionCtx); {
	case ctx.Err() != nil, errors.Is(cause, errTopics):
		return nil
	case errors.Is(cause, errSessionLost):
		return errSessionLost
	}
	return err
}

// present sorts the topics by whether they are there.
func (m *member) present(client sarama.Client) (present, missing []string, err error) {
	for _, topic := range m.topics {
		switch err := client.RefreshMetadata(topic); {
		case err == nil:
			present = append(present, topic)
		case errors.Is(err, sarama.ErrUnknownTopicOrPartition), errors.Is(err, sarama.ErrLeaderNotAvailable),
			errors.Is(err, sarama.ErrTopicAuthorizationFailed):
			missing = append(missing, topic)
			m.reporter.report("look for topic "+topic, err)
		default:
			return nil, nil, err
		}
	}
	return present, missing, nil
}

// await calls found when one of the missing topics is there.
func (m *member) await(ctx context.Context, client sarama.Client, missing []string, found func()) {
	tick := time.NewTicker(lookForTopics)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, topic := range missing {
			if client.RefreshMetadata(topic) == nil {
				found()
				return
			}
		}
	}
}
