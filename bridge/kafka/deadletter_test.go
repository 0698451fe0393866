package kafka

import (
	"testing"
	"time"

	"github.com/IBM/sarama"
)

func TestDeadLetterTopicMissingForLongIsGivenUp(t *testing.T) {
	now := time.Now()
	d := newDeadLetters(&Consumer{})
	d.now = func() time.Time { return now }
	missing := error(sarama.ErrUnknownTopicOrPartition)
	if d.final("dead", missing) {
		t.Fatal("given up at once")
	}
	now = now.Add(absentFor - time.Second)
	if d.final("dead", missing) {
		t.Fatal("given up too early")
	}
	now = now.Add(time.Second)
	if !d.final("dead", missing) {
		t.Fatal("not given up")
	}
	d.found("dead")
	if d.final("dead", missing) {
		t.Fatal("given up at once after it was there")
	}
}
