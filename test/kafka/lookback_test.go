package kafka_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"weft/bridge"
	"weft/jetstream/event"
)

// refuseCommits makes a broker take no commit while the returned flag is set.
func refuseCommits(b *kfake.Cluster) *atomic.Bool {
	var refuse atomic.Bool
	b.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		if !refuse.Load() {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
		for _, topic := range req.(*kmsg.OffsetCommitRequest).Topics {
			rt := kmsg.NewOffsetCommitResponseTopic()
			rt.Topic = topic.Topic
			for _, partition := range topic.Partitions {
				rp := kmsg.NewOffsetCommitResponseTopicPartition()
				rp.Partition, rp.ErrorCode = partition.Partition, kerr.CoordinatorLoadInProgress.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	return &refuse
}

var placePattern = regexp.MustCompile(`^weft1 stream=([0-9a-f]{12}) seq=(\d+) offset=(\d+)$`)

// committedPlace is the sequence in the metadata of a partition's commit, -1 if there is none.
func committedPlace(t *testing.T, b *kfake.Cluster, partition int32) int64 {
	t.Helper()
	info := b.GroupInfo("weft")
	if info == nil {
		return -1
	}
	c, ok := info.Commits["orders"][partition]
	if !ok || c.Metadata == "" {
		return -1
	}
	m := placePattern.FindStringSubmatch(c.Metadata)
	if m == nil || m[1] != fmt.Sprintf("%x", memoryID[:]) || m[3] != fmt.Sprint(c.Offset) {
		t.Fatalf("commit %d of partition %d has metadata %q", c.Offset, partition, c.Metadata)
	}
	seq, err := strconv.ParseInt(m[2], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// setCommit commits in place of the group, which must be empty.
func setCommit(t *testing.T, b *kfake.Cluster, partition int32, offset int64, metadata string) {
	t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group = "weft"
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = "orders"
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset, p.Metadata = partition, offset, &metadata
	topic.Partitions = append(topic.Partitions, p)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(t.Context(), newProducer(t, b, kgo.MaxVersions(kversion.V2_8_0()))) // topics by name
	if err != nil {
		t.Fatal(err)
	}
	if err := kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode); err != nil {
		t.Fatal(err)
	}
}

// putOrders produces the orders from one number to another of users, whose partition is
// their number by so many.
func putOrders(t *testing.T, p *kgo.Client, users, partitions, from, to int) {
	t.Helper()
	var records []*kgo.Record
	for n := from; n < to; n++ {
		for u := range users {
			rec := order(fmt.Sprintf("u%d", u), n)
			rec.Partition = int32(u % partitions)
			records = append(records, rec)
		}
	}
	produce(t, p, records...)
}

// crashed leaves a store with more than its group knows of: of ten users in two partitions,
// 50 records each are committed and 300 are stored.
func crashed(t *testing.T, store *memory, change ...func(*bridge.KafkaConfig)) (*kfake.Cluster, *kgo.Client) {
	t.Helper()
	b := newBroker(t, kfake.SeedTopics(2, "orders"))
	p := newProducer(t, b)
	for partition := range int32(2) {
		setCommit(t, b, partition, 0, fmt.Sprintf("weft1 stream=%x seq=%d offset=0", memoryID[:], store.before))
	}
	refuse := refuseCommits(b)
	putOrders(t, p, 10, 2, 0, 50)
	r := start(t, options(b, change...), store)
	want := store.count() + 500
	eventually(t, "the first are committed", func() bool { return committed(b, "orders", 0) == 250 && committed(b, "orders", 1) == 250 })
	refuse.Store(true)
	putOrders(t, p, 10, 2, 50, 300)
	eventually(t, "more are stored", func() bool { return store.count() >= want+2500 })
	r.stop()
	refuse.Store(false)
	if got := committed(b, "orders", 0); got != 250 {
		t.Fatalf("committed %d: nothing is left to look up", got)
	}
	return b, p
}

// goOn starts again after crashed, and fails unless all is stored once.
func goOn(t *testing.T, b *kfake.Cluster, p *kgo.Client, store *memory, change ...func(*bridge.KafkaConfig)) *running {
	t.Helper()
	putOrders(t, p, 10, 2, 300, 310)
	r := start(t, options(b, change...), store)
	eventually(t, "the rest is committed", func() bool { return committed(b, "orders", 0) == 1550 && committed(b, "orders", 1) == 1550 })
	return r
}

func TestAfterAClaimOneReadTellsWhatIsStored(t *testing.T) {
	t.Parallel()
	store := newMemory()
	store.before = 5_000_000 // so many messages of others are stored
	b, p := crashed(t, store)
	store.tails, store.lookups = nil, 0
	places := []int64{committedPlace(t, b, 0), committedPlace(t, b, 1)}
	r := goOn(t, b, p, store)
	inOrder(t, store.all(), 10, 310)
	if known := r.metric(t, "weft_kafka_records_total", "outcome", "known"); known != 2500 {
		t.Errorf("%v records were known, want 2500", known)
	}
	r.stop()
	store.mu.Lock()
	defer store.mu.Unlock()
	if store.lookups != 0 {
		t.Errorf("%d records were looked up one by one", store.lookups)
	}
	if len(store.tails) != 1 || len(store.tails[0].From) != 2 || int64(store.tails[0].After) != min(places[0], places[1]) {
		t.Errorf("the tail was read for %+v; the places are %v", store.tails, places)
	}
}

// Whoever commits for the group, and whatever it writes, no event is stored twice or lost.
func TestWithoutAPlaceRecordsAreLookedUp(t *testing.T) {
	t.Parallel()
	head := 5_003_000
	of := func(stream event.StreamID, seq, offset int) string {
		return fmt.Sprintf("weft1 stream=%x seq=%d offset=%d", stream[:], seq, offset)
	}
	for name, metadata := range map[string]string{
		"none":                   "",
		"foreign":                "consumer-1 was here",
		"garbage":                "weft1 \x00\xff seq= offset",
		"oversized":              of(memoryID, head, 250) + strings.Repeat(" ", 3000),
		"another life":           of(event.StreamID{'x'}, head-1, 250),
		"beyond the head":        of(memoryID, head+1, 250),
		"of another offset":      of(memoryID, head-1, 249),
		"older than can be read": of(memoryID, 100, 250),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newMemory()
			store.before = 5_000_000
			b, p := crashed(t, store)
			for partition := range int32(2) {
				setCommit(t, b, partition, 250, metadata)
			}
			store.tails, store.lookups = nil, 0
			r := goOn(t, b, p, store)
			inOrder(t, store.all(), 10, 310)
			if r.log.count("records will be looked up one by one") == 0 {
				t.Error("the log does not say that records are looked up")
			}
			r.stop()
			store.mu.Lock()
			defer store.mu.Unlock()
			if len(store.tails) != 0 || store.lookups < 2600 {
				t.Errorf("%d tails and %d look-ups; 2,600 records came", len(store.tails), store.lookups)
			}
		})
	}
	t.Run("of one partition only, in a small stream", func(t *testing.T) {
		t.Parallel()
		store := newMemory()
		b, p := crashed(t, store)
		setCommit(t, b, 1, 250, "")
		store.tails, store.lookups = nil, 0
		goOn(t, b, p, store).stop()
		inOrder(t, store.all(), 10, 310)
		store.mu.Lock()
		defer store.mu.Unlock()
		if store.lookups != 0 || len(store.tails) != 1 || store.tails[0].After != 0 {
			t.Errorf("%d look-ups, tails %+v; want the whole stream in one", store.lookups, store.tails)
		}
	})
}

// What the owner before had on its way may be stored after the tail was read. Until as many
// records were new as it can have sent, commits keep the place that the claim began with.
func TestAPlaceIsKeptWhileTheOwnerBeforeMayStillStore(t *testing.T) {
	t.Parallel()
	store := newMemory()
	store.before = 5_000_000
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	p := newProducer(t, b)
	setCommit(t, b, 0, 0, fmt.Sprintf("weft1 stream=%x seq=5000000 offset=0", memoryID[:]))
	putOrders(t, p, 1, 1, 0, 500)
	r := start(t, options(b), store)
	eventually(t, "500 are committed", func() bool { return committed(b, "orders", 0) == 500 })
	if got := committedPlace(t, b, 0); got != 5_000_000 {
		t.Errorf("after 500 records the place is %d, want 5000000", got)
	}
	putOrders(t, p, 1, 1, 500, 3000)
	eventually(t, "the place goes on", func() bool { return committed(b, "orders", 0) == 3000 && committedPlace(t, b, 0) >= 5_002_999 })
	r.stop()
}

// A partition of which nothing comes would hold the place of all others back.
func TestThePlaceOfAQuietPartitionGoesOnWithTheStream(t *testing.T) {
	t.Parallel()
	store := newMemory()
	b := newBroker(t, kfake.SeedTopics(2, "orders"))
	p := newProducer(t, b)
	produce(t, p, order("ann", 0), &kgo.Record{Topic: "orders", Partition: 1, Value: []byte(`{"user":"bob"}`)})
	r := start(t, options(b), store)
	eventually(t, "both are committed", func() bool { return committed(b, "orders", 0) == 1 && committed(b, "orders", 1) == 1 })
	store.mu.Lock()
	store.before = 1_000_000 // others have stored something meanwhile
	store.mu.Unlock()
	eventually(t, "both places are near the head", func() bool { return min(committedPlace(t, b, 0), committedPlace(t, b, 1)) >= 1_000_000 })
	if got := [2]int64{committed(b, "orders", 0), committed(b, "orders", 1)}; got != [2]int64{1, 1} {
		t.Errorf("the offsets are %v", got)
	}
	// The look-up is over: what comes now cannot have been stored before.
	store.mu.Lock()
	store.lookups = 0
	store.mu.Unlock()
	produce(t, p, order("ann", 1))
	eventually(t, "another is stored", func() bool { return store.count() == 3 && committed(b, "orders", 0) == 2 })
	r.stop()
}

// Members come and go while nothing can be committed: what the next one finds is in the
// tail, and a record on several subjects may be there in part.
func TestARecordOfSeveralSubjectsIsStoredOnceOnEach(t *testing.T) {
	t.Parallel()
	store := newMemory()
	store.before = 5_000_000
	two := func(k *bridge.KafkaConfig) { k.Sources[0].To = []string{"user.{/user}", "topic.all.{/user}"} }
	b := newBroker(t, kfake.SeedTopics(4, "orders"))
	p := newProducer(t, b)
	for partition := range int32(4) {
		setCommit(t, b, partition, 0, fmt.Sprintf("weft1 stream=%x seq=5000000 offset=0", memoryID[:]))
	}
	refuse := refuseCommits(b)
	refuse.Store(true)
	putOrders(t, p, 12, 4, 0, 40)
	one := start(t, options(b, two), store)
	eventually(t, "all are stored", func() bool { return store.count() == 12*40*2 })
	one.stop()
	store.mu.Lock()
	gone := store.events[:0] // the last copies were on their way
	for i, e := range store.events {
		if i > 900 && strings.HasPrefix(e.Subject, "topic.") {
			delete(store.ids, copyOf{e.Subject, e.ID})
			continue
		}
		gone = append(gone, e)
	}
	store.events = gone
	store.mu.Unlock()
	refuse.Store(false)
	first := start(t, options(b, two), store)
	second := start(t, options(b, two), store)
	putOrders(t, p, 12, 4, 40, 60)
	eventually(t, "all are committed", func() bool {
		sum := int64(0)
		for i := range int32(4) {
			sum += committed(b, "orders", i)
		}
		return sum == 12*60
	})
	first.stop()
	second.stop()
	inOrder(t, store.all(), 24, 60)
	store.mu.Lock()
	defer store.mu.Unlock()
	if store.lookups != 0 {
		t.Errorf("%d events were looked up one by one", store.lookups)
	}
}

// The store goes away in the middle of a look-up one by one.
func TestALookUpWaitsForTheStore(t *testing.T) {
	t.Parallel()
	store := newMemory()
	store.before = 5_000_000
	b, p := crashed(t, store)
	for partition := range int32(2) {
		setCommit(t, b, partition, 250, "")
	}
	store.mu.Lock()
	store.lookups, store.awayAfter = 0, 700
	store.mu.Unlock()
	putOrders(t, p, 10, 2, 300, 310)
	r := start(t, options(b), store)
	eventually(t, "the store is asked in vain", func() bool { return r.log.count("cannot look events up") == 1 })
	store.setAway(false)
	eventually(t, "the rest is committed", func() bool { return committed(b, "orders", 0) == 1550 && committed(b, "orders", 1) == 1550 })
	inOrder(t, store.all(), 10, 310)
	r.stop()
}
