package target

import (
	"bytes"
	"iter"

	"github.com/IBM/sarama"

	"weft/edge/route"
)

var correlationName = []byte(headerCorrelation)

// take hands on the answer in a record that names a correlation; of one for another process
// nothing but that is looked at.
func (k *Kafka) take(m *sarama.ConsumerMessage) {
	for _, h := range m.Headers {
		if len(h.Key) != len(correlationName) || !bytes.EqualFold(h.Key, correlationName) {
			continue
		}
		correlation := string(h.Value)
		if !k.replies.Mine(correlation) {
			k.replies.Take(correlation, nil, nil)
			return
		}
		// The value is a piece of what was fetched, which would be held as long as the answer.
		a, err := route.ReadAnswer(headersOf(m), bytes.Clone(m.Value))
		k.replies.Take(correlation, a, err)
		return
	}
}

func headersOf(m *sarama.ConsumerMessage) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, h := range m.Headers {
			if !yield(string(h.Key), string(h.Value)) {
				return
			}
		}
	}
}
