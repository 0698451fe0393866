package test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weft/config/testkit/slow"
	"weft/config/testkit/standstill"
	"weft/test/client"
	"weft/test/follow"
	"weft/test/stage"
)

const (
	// backlogUsers have backlogEach records each.
	backlogUsers = 100
	backlogEach  = 1000
	// sessionTimeout is what kafka.session_timeout is unless a test says otherwise: until
	// then the group waits for a member that was killed.
	sessionTimeout = 6 * time.Second
)

// A node is killed in the middle of a backlog, twice. What is stored is not looked through
// again from its beginning: the silence is the time that the group waits for the member
// that is dead, and little more.
func TestANodeThatIsKilledInABacklogGoesOnWhereItWas(t *testing.T) {
	slow.Test(t, "the group to miss a member that was killed")
	t.Parallel()
	k := ownBroker(t)
	name := topic(t, k, chaosPartitions)
	produceBacklog(t, k, name)
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("events.max_per_subject", 100_000).
		Kafka(k.Address, stage.Source{"topic": name, "to": []string{"user.{/user}"}, "start": "oldest"}))

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	followers := make([]*follow.Follower, backlogUsers)
	var following sync.WaitGroup
	defer func() { cancel(); following.Wait() }()
	for i := range followers {
		f := follow.New(follow.Habits{Origin: node.URL, Token: stage.Token(t, fmt.Sprint("user", i), nil),
			Random: rand.New(rand.NewPCG(uint64(i), 1)), Transports: []client.Transport{client.SSE},
			Away: func(r *rand.Rand) time.Duration {
				return 50*time.Millisecond + time.Duration(r.Int64N(int64(100*time.Millisecond)))
			}})
		followers[i] = f
		following.Go(func() { f.Run(ctx) })
	}
	total := func() (n int) {
		for _, f := range followers {
			n += len(f.Seen())
		}
		return n
	}
	still := standstill.Begin(t)
	for _, tenths := range []int{2, 8} {
		eventually(t, 2*time.Minute, fmt.Sprintf("%d tenths are delivered", tenths), func() bool {
			return total() > backlogUsers*backlogEach*tenths/10
		})
		lost, killed := still.Lost(), time.Now()
		node.Restart()
		eventually(t, 2*time.Minute, "more is stored", func() bool {
			return metric(t, node, `weft_kafka_records_total\{outcome="placed",topic="`+name+`"\}`) > 0
		})
		silence := time.Since(killed)
		lost = still.Lost() - lost
		read, without := tailRead(t, node.Process().Output())
		t.Logf("%d tenths: %v until more is stored, of which the machine took %v; %d messages read",
			tenths, silence.Round(time.Millisecond), lost.Round(time.Millisecond), read)
		if silence > sessionTimeout+2*time.Second+lost {
			t.Errorf("nothing is stored for %v after a kill; the machine took %v", silence, lost)
		}
		// The first time a quick node has not committed all partitions yet.
		if tenths > 5 && without != 0 {
			t.Errorf("%d commits have no place", without)
		}
		// Windows, what comes between two commits, and what a partition that has ended lets
		// pass before it commits another place; not the store.
		if tenths > 5 && read > backlogUsers*backlogEach*tenths/10*3/4 {
			t.Errorf("of %d tenths of %d records %d messages were read", tenths, backlogUsers*backlogEach, read)
		}
	}
	for i, f := range followers {
		if err := f.AwaitNumber(within(t, 2*time.Minute), backlogEach-1); err != nil {
			t.Fatalf("user%d: %v: %s", i, err, f)
		}
	}
	awaitStored(t, within(t, time.Minute), k, name)
	want := make([]int, backlogEach)
	for i := range want {
		want[i] = i
	}
	for i, f := range followers {
		if tally := follow.Count(follow.Numbers(f.Seen()), want); !tally.Faultless() || tally.Resets != 0 {
			t.Errorf("user%d: %+v: %s", i, tally, strings.Join(follow.Explain(f.Seen(), want), "; "))
		}
	}
}

// tailRead returns how many messages a node has read of the tail of the stream, and for how
// many partitions it knew no place of a commit. It fails unless the tail was read once for each.
func tailRead(t *testing.T, log []string) (messages, without int) {
	t.Helper()
	partitions := 0
	for _, line := range log {
		var said struct {
			Msg          string `json:"msg"`
			Partitions   int    `json:"partitions"`
			WithoutPlace int    `json:"without_place"`
			Messages     int    `json:"messages"`
		}
		if err := json.Unmarshal([]byte(line), &said); err != nil || said.Msg != "read what was stored since the last commits" {
			continue
		}
		partitions += said.Partitions
		messages += said.Messages
		without += said.WithoutPlace
	}
	if partitions != chaosPartitions {
		t.Errorf("the tail was read for %d partitions, want %d, once each:\n%s", partitions, chaosPartitions, strings.Join(log, "\n"))
	}
	return messages, without
}

func produceBacklog(t *testing.T, k *stage.Kafka, topic string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Address), kgo.DefaultProduceTopic(topic), kgo.UnknownTopicRetries(-1))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var records []*kgo.Record
	for i := range backlogUsers * backlogEach {
		user := fmt.Sprint("user", i%backlogUsers)
		value, err := json.Marshal(chaosRecord{User: user, N: i / backlogUsers})
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, &kgo.Record{Key: []byte(user), Value: value})
	}
	if err := cl.ProduceSync(within(t, 2*time.Minute), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}
