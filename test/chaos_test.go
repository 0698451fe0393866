package test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weft/config/testkit/waitfor"
	"weft/test/client"
	"weft/test/follow"
	"weft/test/stage"
)

// chaosSize says how much a chaos run does.
type chaosSize struct {
	users, records int
	weftKills      int
	brokerKills    int
	// away is how long one of the kills leaves Weft down, from between a store and
	// the offset's commit; zero for none of this kind.
	away time.Duration
	// limit bounds how long all may take until everybody has everything.
	limit time.Duration
}

// chaos returns the size: small, or what WEFT_CHAOS=full asks for. The variables
// WEFT_CHAOS_USERS and WEFT_CHAOS_RECORDS change one figure.
func chaos(t *testing.T) chaosSize {
	size := chaosSize{users: 40, records: 10_000, weftKills: 2, brokerKills: 1, limit: 5 * time.Minute}
	if os.Getenv("WEFT_CHAOS") == "full" {
		size = chaosSize{users: 200, records: 200_000, weftKills: 5, brokerKills: 1, away: 5 * time.Minute, limit: 25 * time.Minute}
	}
	for name, value := range map[string]*int{"WEFT_CHAOS_USERS": &size.users, "WEFT_CHAOS_RECORDS": &size.records} {
		if s := os.Getenv(name); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil || n < 1 {
				t.Fatalf("%s=%s is no number above 0", name, s)
			}
			*value = n
		}
	}
	return size
}

// With more kept than is sent, every user sees every record once and in order,
// whatever is killed.
func TestNothingIsLostDoubledOrReorderedInChaos(t *testing.T) {
	t.Parallel()
	size := chaos(t)
	total := runChaos(t, size, size.records)
	if total.Resets != 0 {
		t.Errorf("%d resets, and nothing was dropped", total.Resets)
	}
}

// With less kept than is missed, every gap is covered by a reset and every reset
// covers a gap.
func TestEveryGapInChaosIsCoveredByAReset(t *testing.T) {
	t.Parallel()
	size := chaos(t)
	size.away = 0
	total := runChaos(t, size, min(100, size.records/size.users/20))
	if total.Resets == 0 {
		t.Error("no reset: the run did not put to the test what it is for")
	}
}

// chaosRecord is the value of a record.
type chaosRecord struct {
	User string `json:"user"`
	N    int    `json:"n"`
	Pad  string `json:"pad"`
}

const chaosPartitions = 8

// runChaos lets users follow their records while Weft and the broker are killed,
// and compares what each connection saw with what the topic holds.
func runChaos(t *testing.T, size chaosSize, perSubject int) follow.Tally {
	began := time.Now()
	k := ownBroker(t)
	in := topic(t, k, chaosPartitions)
	node := stage.StartNode(t, stage.Settings(t.TempDir()).
		With("events.max_per_subject", perSubject).
		Kafka(k.Address, stage.Source{"topic": in, "to": []string{"user.{/user}"}, "start": "oldest"}))

	ctx, cancel := context.WithTimeout(context.Background(), size.limit+size.away)
	defer cancel()
	random := rand.New(rand.NewPCG(uint64(began.UnixNano()), 0))
	followers := map[string][]*follow.Follower{}
	var following sync.WaitGroup
	for i := range size.users {
		user := fmt.Sprintf("user%d", i)
		token := stage.Token(t, user, nil)
		for range 1 + random.IntN(3) {
			f := follow.New(restless(node.URL, token, rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))))
			followers[user] = append(followers[user], f)
			following.Go(func() { f.Run(ctx) })
		}
	}
	defer func() { cancel(); following.Wait() }()
	for _, list := range followers {
		for _, f := range list {
			if err := f.AwaitID(ctx); err != nil {
				t.Fatalf("wait until all are connected: %v", err)
			}
		}
	}

	produced := make(chan error, 1)
	go func() { produced <- produceNumbered(ctx, k.Address, in, size) }()
	kills := killAll(t, ctx, size, node, k, in, func() int {
		stored := 0
		for _, list := range followers {
			most := 0
			for _, f := range list {
				most = max(most, len(f.Seen()))
			}
			stored += most
		}
		return stored
	})
	if err := <-produced; err != nil {
		t.Fatalf("produce: %v", err)
	}
	want, held := topicTruth(t, ctx, k, in)

	awaitStored(t, ctx, k, in)
	finish(t, ctx, node, followers)
	cancel()
	following.Wait()

	var total follow.Tally
	for user, list := range followers {
		for i, f := range list {
			one := follow.Count(follow.Numbers(f.Seen()), want[user])
			total.Add(one)
			if !one.Faultless() {
				t.Errorf("%s, connection %d: %+v", user, i, one)
			}
		}
	}
	t.Logf("\n%s", table(total, size, kills, held, time.Since(began)))
	return total
}

// restless are the habits of a device that drops its connection at random and comes
// back over any transport.
func restless(origin func() string, token string, random *rand.Rand) follow.Habits {
	return follow.Habits{
		Origin: origin, Token: token, Random: random, Transports: client.Transports,
		Life: func(r *rand.Rand) time.Duration {
			return 200*time.Millisecond + time.Duration(r.Int64N(int64(4*time.Second)))
		},
		Away: func(r *rand.Rand) time.Duration {
			return 50*time.Millisecond + time.Duration(r.Int64N(int64(300*time.Millisecond)))
		},
	}
}

// table is what a run prints.
func table(t follow.Tally, size chaosSize, kills, held int, took time.Duration) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range []struct {
		name  string
		value any
	}{
		{"users", size.users}, {"connections", t.Connections}, {"records sent", size.records},
		{"records in the topic", held}, {"kills", kills}, {"delivered", t.Delivered}, {"lost", t.Lost},
		{"doubled", t.Doubled}, {"reordered", t.Reordered}, {"resets", t.Resets},
		{"resets without a gap", t.FalseResets}, {"skipped under a reset", t.Skipped},
		{"took", took.Round(time.Second)},
	} {
		fmt.Fprintf(w, "%s\t%v\t\n", row.name, row.value)
	}
	w.Flush()
	return b.String()
}

// produceNumbered sends each user's records, numbered, in order, spread over the
// time that the kills take. A record is sent until the broker has it, which can put
// one there twice.
func produceNumbered(ctx context.Context, broker, topic string, size chaosSize) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic(topic),
		kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(2000),
		kgo.UnknownTopicRetries(-1))
	if err != nil {
		return err
	}
	defer cl.Close()
	pad := make([]byte, 150)
	for i := range pad {
		pad[i] = 'a' + byte(i%26)
	}
	var mu sync.Mutex
	var failed error
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	each := max(1, size.records/int(size.duration()/(10*time.Millisecond)))
	for i := range size.records {
		user := fmt.Sprintf("user%d", i%size.users)
		value, err := json.Marshal(chaosRecord{User: user, N: i / size.users, Pad: string(pad)})
		if err != nil {
			return err
		}
		cl.Produce(ctx, &kgo.Record{Key: []byte(user), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				mu.Lock()
				failed = err
				mu.Unlock()
			}
		})
		if i%each == each-1 {
			select {
			case <-pace.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	return failed
}

// duration is about how long the producer takes: time for every kill to fall into.
func (s chaosSize) duration() time.Duration {
	return time.Duration(s.weftKills+s.brokerKills) * 5 * time.Second
}

// awaitStored waits until the group has committed all that the topic holds, which it
// does only after the store.
func awaitStored(t *testing.T, ctx context.Context, k *stage.Kafka, topic string) {
	t.Helper()
	ends, err := stage.EndOffsets(ctx, k.Address, topic, chaosPartitions)
	if err != nil {
		t.Fatal(err)
	}
	for {
		committed, err := stage.CommittedOffsets(ctx, k.Address, stage.Group(topic), topic, chaosPartitions)
		if err == nil && maps.Equal(ends, committed) {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("the topic ends at %v and the group has committed %v (%v)", ends, committed, err)
		}
		waitfor.Time(ctx, 100*time.Millisecond)
	}
}

// finish sends every user an end mark, again and again until all of the user's
// connections have seen one: what was to come has come by then.
func finish(t *testing.T, ctx context.Context, node *stage.Node, followers map[string][]*follow.Follower) {
	t.Helper()
	left := maps.Clone(followers)
	for len(left) > 0 {
		for user := range left {
			publish(t, node, user, "", fmt.Appendf(nil, `{"n":%d}`, follow.End))
		}
		waitfor.Time(ctx, time.Second)
		for user, list := range left {
			if !slices.ContainsFunc(list, func(f *follow.Follower) bool { return !f.Ended() }) {
				delete(left, user)
			}
		}
		if ctx.Err() != nil {
			for user, list := range left {
				for i, f := range list {
					t.Errorf("%s, connection %d: %s", user, i, f)
				}
			}
			return
		}
	}
}

// topicTruth reads back what each user's records are, in the order of the topic.
func topicTruth(t *testing.T, ctx context.Context, k *stage.Kafka, topic string) (map[string][]int, int) {
	t.Helper()
	ends, err := stage.EndOffsets(ctx, k.Address, topic, chaosPartitions)
	if err != nil {
		t.Fatal(err)
	}
	want, held := map[string][]int{}, 0
	err = stage.ReadTopic(ctx, k.Address, topic, ends, func(r *kgo.Record) {
		var v chaosRecord
		if err := json.Unmarshal(r.Value, &v); err != nil {
			t.Errorf("record %d of %d: %v", r.Offset, r.Partition, err)
		}
		want[v.User] = append(want[v.User], v.N)
		held++
	})
	if err != nil {
		t.Fatal(err)
	}
	return want, held
}

// longKill is the kill that leaves Weft down for chaosSize.away.
const longKill = "weft, for long"

// killAll kills Weft and the broker as often as asked, at random moments while
// records flow, and returns the number of kills. stored says how many records have
// been stored at the least, going by what was delivered.
func killAll(t *testing.T, ctx context.Context, size chaosSize, node *stage.Node, k *stage.Kafka, topic string, stored func() int) int {
	t.Helper()
	var kinds []string
	for range size.weftKills {
		kinds = append(kinds, "weft")
	}
	for range size.brokerKills {
		kinds = append(kinds, "broker")
	}
	rand.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	if size.away > 0 {
		// The long one comes last, so that records flow while the others fall.
		i := slices.Index(kinds, "weft")
		kinds = append(slices.Delete(kinds, i, i+1), longKill)
	}
	for _, kind := range kinds {
		waitfor.Time(ctx, 2*time.Second+rand.N(2*time.Second))
		switch kind {
		case "weft":
			node.Restart()
		case "broker":
			k.Kill()
			waitfor.Time(ctx, time.Second)
			if err := k.Start(ctx); err != nil {
				t.Fatalf("start the broker again: %v", err)
			}
		case longKill:
			killBetweenStoreAndCommit(t, ctx, node, k, topic, stored)
			waitfor.Time(ctx, size.away)
			node.Start()
		}
	}
	return len(kinds)
}

// killBetweenStoreAndCommit kills Weft at a moment when it has stored more than the
// group has committed, and makes sure of it.
func killBetweenStoreAndCommit(t *testing.T, ctx context.Context, node *stage.Node, k *stage.Kafka, topic string, stored func() int) {
	t.Helper()
	committed := func() int {
		sum, err := stage.Committed(ctx, k.Address, stage.Group(topic), topic, chaosPartitions)
		if err != nil {
			t.Fatal(err)
		}
		return int(sum)
	}
	for range 10 {
		// After the kill before, it takes the group some seconds to have Weft back.
		eventually(t, time.Minute, "more is stored than committed", func() bool { return stored() > committed() })
		node.Kill()
		if n, c := stored(), committed(); n > c {
			t.Logf("killed with at least %d records stored and %d committed", n, c)
			return
		}
		node.Start()
	}
	t.Fatal("Weft was never caught between a store and its commit")
}
