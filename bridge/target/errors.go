package target

import (
	"errors"
	"net/http"
	"time"

	"github.com/IBM/sarama"

	"weft/edge/problem"
)

// unavailable is what is answered when a record was surely not written: 503.
func unavailable(detail string, retry time.Duration) *problem.Problem {
	p := problem.New(problem.UpstreamUnavailable, detail)
	p.Status = http.StatusServiceUnavailable
	return p.Retry(retry)
}

// notConfigured is answered by a node without kafka.brokers.
func notConfigured() *problem.Problem { return unavailable("Kafka is not configured at this node", 0) }

// away is answered while no broker can be reached.
func away() *problem.Problem {
	return unavailable("Kafka is away; the record was not written", time.Second)
}

// missing is answered when there is no such topic.
func missing() *problem.Problem {
	return unavailable("Kafka has no such topic; the record was not written", 0)
}

// late is answered when the acknowledgement did not come in time.
func late() *problem.Problem {
	return problem.New(problem.UpstreamTimeout, "Kafka has not acknowledged the record in time; whether it was written is unknown")
}

// full is answered when too much waits for Kafka already.
func full() *problem.Problem {
	return problem.New(problem.Limit, "too many requests wait for Kafka; come back later").Retry(comeBack)
}

// A verdict is what an attempt to write a batch has come to.
type verdict int

const (
	written verdict = iota
	// again: it was not written, and may be soon.
	again
	// unknown: it may have been written; the same batch is sent again, which writes it
	// once.
	unknown
	// renew: the broker does not know this producer; a new one must begin.
	renew
	// never: it was not written, and will not be.
	never
)

// judge says what the error that a broker gives for a batch means.
func judge(err sarama.KError) verdict {
	switch err {
	case sarama.ErrNoError, sarama.ErrDuplicateSequenceNumber:
		return written
	case sarama.ErrRequestTimedOut, sarama.ErrNotEnoughReplicasAfterAppend, sarama.ErrUnknown:
		return unknown
	case sarama.ErrOutOfOrderSequenceNumber, sarama.ErrUnknownProducerID, sarama.ErrInvalidProducerEpoch,
		sarama.ErrInvalidProducerIDMapping, sarama.ErrProducerFenced:
		return renew
	case sarama.ErrNotLeaderForPartition, sarama.ErrLeaderNotAvailable, sarama.ErrReplicaNotAvailable, sarama.ErrBrokerNotAvailable,
		sarama.ErrUnknownTopicOrPartition, sarama.ErrKafkaStorageError, sarama.ErrFencedLeaderEpoch, sarama.ErrUnknownLeaderEpoch,
		sarama.ErrNotEnoughReplicas, sarama.ErrNetworkException, sarama.ErrThrottlingQuotaExceeded:
		return again
	}
	return never
}

// problemOf is what a client is told of an error that ends the attempts for a record that
// was not written.
func problemOf(err error) *problem.Problem {
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		return p
	}
	is := func(list ...error) bool {
		for _, e := range list {
			if errors.Is(err, e) {
				return true
			}
		}
		return false
	}
	switch {
	case is(sarama.ErrMessageSizeTooLarge, sarama.ErrMessageSetSizeTooLarge, sarama.ErrInvalidMessageSize):
		return problem.New(problem.TooLarge, "the record is larger than its topic takes")
	case is(sarama.ErrUnknownTopicOrPartition, sarama.ErrInvalidTopic):
		return missing()
	case is(sarama.ErrTopicAuthorizationFailed, sarama.ErrClusterAuthorizationFailed):
		return unavailable("Kafka does not let this node write to the topic", 0)
	case is(sarama.ErrNotEnoughReplicas):
		return unavailable("too few replicas of the topic are in sync; the record was not written", time.Second)
	case is(sarama.ErrInvalidRecord, sarama.ErrInvalidMessage, sarama.ErrInvalidTimestamp, sarama.ErrPolicyViolation, sarama.ErrUnsupportedForMessageFormat):
		return problem.New(problem.UpstreamUnavailable, "Kafka refuses the record") // 502: another time it would, too
	}
	return away()
}

// gone reports whether no broker could be reached, or lets this node in.
func gone(err error) bool {
	return errors.Is(err, sarama.ErrOutOfBrokers) || errors.Is(err, sarama.ErrClosedClient) ||
		errors.Is(err, sarama.ErrSASLAuthenticationFailed) || errors.Is(err, sarama.ErrClusterAuthorizationFailed)
}
