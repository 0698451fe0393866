package kafka

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// A session is one membership in the group, from a join until it ends. With a
// cooperative balance it lives through rebalances; only its claims change.
type session struct {
	*member
	ctx       context.Context // of Run
	end       context.CancelCauseFunc
	client    sarama.Client
	pings     sarama.Client // for the heartbeats of the lease
	lookbacks *lookbacks

	lease   *lease             // set by Setup, before any claim
	unwatch context.CancelFunc // ends watch and keepMarking; set with lease
	once    sync.Once
}

// Setup implements sarama.ConsumerGroupHandler.
func (s *session) Setup(sess sarama.ConsumerGroupSession) error {
	k := &s.opts.Kafka
	s.lease = newLease(k.SessionTimeout, max(k.Heartbeat, k.SessionTimeout/leaseBeats), newHeartbeat(k, s.pings, sess), func() {
		s.reporter.report("keep the group session", errSessionLost)
		s.end(errSessionLost)
	})
	ctx, cancel := context.WithCancel(s.ctx)
	s.unwatch = cancel
	go s.watch(ctx)
	go s.keepMarking(ctx, sess)
	s.metrics.join()
	s.reporter.joined("member", sess.MemberID(), "topics", s.topics)
	return nil
}

// keepMarking hands on what is to be committed, until ctx ends.
func (s *session) keepMarking(ctx context.Context, sess sarama.ConsumerGroupSession) {
	tick := time.NewTicker(markEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, c := range s.metrics.lag.of(s) {
			c.position.mark(sess, c.topic, c.partition, false)
		}
	}
}

// Cleanup implements sarama.ConsumerGroupHandler. The claims have ended.
func (s *session) Cleanup(sarama.ConsumerGroupSession) error {
	s.close()
	return nil
}

// close ends what goes with the session, which has ended in any way. It may be called
// twice.
func (s *session) close() {
	s.once.Do(func() {
		if s.lease != nil {
			s.lease.end()
			s.unwatch()
			s.metrics.leave()
		}
	})
}

// ConsumeClaim implements sarama.ConsumerGroupHandler.
func (s *session) ConsumeClaim(sess sarama.ConsumerGroupSession, messages sarama.ConsumerGroupClaim) error {
	newClaim(s, sess, messages).run(sess.Context())
	return nil
}

// mayFlush reports whether a claim that ends may still send what it has begun: the
// partition is given back in good order, and no other owner can exist yet.
func (s *session) mayFlush(sess sarama.ConsumerGroupSession) bool {
	if !s.lease.valid() {
		return false
	}
	if sess.Context().Err() == nil || s.ctx.Err() != nil {
		return true // revoked by a rebalance that waits for us, or we are stopping
	}
	cause := context.Cause(sess.Context())
	return errors.Is(cause, errTopics) || errors.Is(cause, sarama.ErrSessionConsumeClaimExited)
}
