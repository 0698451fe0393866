package target

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

const (
	// freshFor is how long a topic's number of partitions is taken as it was; older, it is
	// used once more and asked for in the background.
	freshFor = 10 * time.Second
	// askAgain is the least pause between two questions for a topic that is not there.
	askAgain = 250 * time.Millisecond
)

// appears are the pauses before a topic that is missing is asked for again: a broker that
// makes topics by itself needs a moment.
var appears = []time.Duration{100 * time.Millisecond, 200 * time.Millisecond}

// topics know how many partitions topics have. Each topic is asked for by itself, once for
// all who wait.
type topics struct {
	client sarama.Client

	mu    sync.Mutex
	known map[string]*topic
}

// A topic is what is known of one. It is guarded by the mutex of its topics.
type topic struct {
	partitions int32
	err        error // of the last question, when there are no partitions
	asked      time.Time
	asking     chan struct{} // closed at the answer; nil when nobody asks
}

func newTopics(client sarama.Client) *topics {
	return &topics{client: client, known: map[string]*topic{}}
}

// partitions returns how many a topic has. Its error is the broker's, or a problem.
func (t *topics) partitions(ctx context.Context, name string) (int32, error) {
	t.mu.Lock()
	of := t.known[name]
	if of == nil {
		of = &topic{}
		t.known[name] = of
	}
	age := time.Since(of.asked)
	if of.asking == nil && (of.partitions == 0 && (of.err == nil || age > askAgain) || age > freshFor) {
		of.asking = make(chan struct{})
		go t.ask(name, of)
	}
	n, err, asking := of.partitions, of.err, of.asking
	t.mu.Unlock()
	if n > 0 {
		return n, nil
	}
	if asking == nil {
		return 0, err
	}
	select {
	case <-asking:
	case <-ctx.Done():
		return 0, away() // no broker has answered: nothing was sent
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return of.partitions, of.err
}

// ask asks for a topic.
func (t *topics) ask(name string, of *topic) {
	n, err := t.count(name)
	t.mu.Lock()
	defer t.mu.Unlock()
	of.asked = time.Now()
	switch {
	case err == nil:
		of.partitions, of.err = n, nil
	case of.partitions == 0 || errors.Is(err, sarama.ErrUnknownTopicOrPartition):
		of.partitions, of.err = 0, err
	}
	close(of.asking)
	of.asking = nil
}

func (t *topics) count(name string) (int32, error) {
	for i := 0; ; i++ {
		err := t.client.RefreshMetadata(name)
		if err == nil || errors.Is(err, sarama.ErrLeaderNotAvailable) {
			all, perr := t.client.Partitions(name)
			if perr == nil && len(all) > 0 {
				return int32(len(all)), nil
			}
			err = errors.Join(err, perr)
		}
		if i == len(appears) || gone(err) || errors.Is(err, sarama.ErrTopicAuthorizationFailed) || errors.Is(err, sarama.ErrInvalidTopic) {
			return 0, err
		}
		time.Sleep(appears[i])
	}
}

// forget is told that a topic is not what it was.
func (t *topics) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if of := t.known[name]; of != nil && of.asking == nil {
		delete(t.known, name)
	}
}

// partitioner chooses as the producers of Kafka's own clients do: records of one key are in
// one partition, whoever writes them. It keeps nothing of a record that has a key.
var partitioner = sarama.NewMurmur2Partitioner("")

// partitionOf is where a record goes; a nil key, anywhere.
func partitionOf(key []byte, partitions int32) int32 {
	if key == nil {
		return rand.Int32N(partitions)
	}
	p, err := partitioner.Partition(&sarama.ProducerMessage{Key: sarama.ByteEncoder(key)}, partitions)
	if err != nil {
		return 0
	}
	return p
}
