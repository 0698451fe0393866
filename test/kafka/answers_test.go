package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weft/bridge/target"
	"weft/edge/problem"
	"weft/edge/route"
)

// takenReplies keep what a reader hands on. Those that begin with "me." are its own.
type takenReplies struct {
	mu      sync.Mutex
	answers map[string][]*route.Answer
	bad     map[string]error
	foreign int
}

func newReplies() *takenReplies {
	return &takenReplies{answers: map[string][]*route.Answer{}, bad: map[string]error{}}
}

func (r *takenReplies) Mine(c string) bool { return strings.HasPrefix(c, "me.") }

func (r *takenReplies) Take(c string, a *route.Answer, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case a != nil:
		r.answers[c] = append(r.answers[c], a)
	case err != nil:
		r.bad[c] = err
	default:
		r.foreign++
	}
}

func (r *takenReplies) of(c string) []*route.Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.answers[c]
}

func (r *takenReplies) has(c string) func() bool { return func() bool { return len(r.of(c)) == 1 } }

// answer is a record that answers.
func answer(topic string, partition int32, correlation, body string, headers ...string) *kgo.Record {
	r := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(body)}
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: headers[i], Value: []byte(headers[i+1])})
	}
	r.Headers = append(r.Headers, kgo.RecordHeader{Key: "Weft-Correlation", Value: []byte(correlation)})
	return r
}

func awaitReading(t testing.TB, k *target.Kafka, topic string) {
	t.Helper()
	if err := reading(t, k, topic); err != nil {
		t.Fatal(err)
	}
}

func reading(t testing.TB, k *target.Kafka, topic string) error {
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	if err := k.Ready(ctx, topic); err != nil {
		return fmt.Errorf("read %s: %w", topic, err)
	}
	return nil
}

func TestAnswersAreReadFromWhereTheTopicEndedBefore(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(3, "answers"))
	p := newProducer(t, b)
	for n := range int32(3) {
		produce(t, p, answer("answers", n, "me.before", "x"))
	}
	r := newReplies()
	k := openTarget(t, b.ListenAddrs(), r)
	k.Follow([]string{"answers"})
	awaitReading(t, k, "answers")
	produce(t, p, // at once: nothing that comes after Ready is missed
		answer("answers", 0, "me.0", `{"n":0}`, "weft-status", "201", "Weft-Header-X-Order", "7"),
		answer("answers", 1, "me.1", "text", "Content-Type", "text/plain"),
		answer("answers", 2, "other.1", "x"),
		&kgo.Record{Topic: "answers", Partition: 2, Value: []byte("no answer")},
		answer("answers", 2, "me.2", "", "weft-status", "99"))
	for _, c := range []string{"me.0", "me.1"} {
		eventually(t, c+" is read", r.has(c))
	}
	eventually(t, "a bad status and a foreign answer are told", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return errors.Is(r.bad["me.2"], route.ErrStatus) && r.foreign == 1
	})
	if a := r.of("me.0")[0]; a.Status != 201 || a.Header.Get("X-Order") != "7" || a.Header.Get("Content-Type") != "application/json" || string(a.Body) != `{"n":0}` {
		t.Errorf("%+v", a)
	}
	if a := r.of("me.1")[0]; a.Status != 200 || a.Header.Get("Content-Type") != "text/plain" || string(a.Body) != "text" {
		t.Errorf("%+v", a)
	}
	if len(r.of("me.before")) > 0 {
		t.Error("an answer was read that was there before")
	}
}

func TestANewPartitionIsReadFromItsBeginning(t *testing.T) {
	t.Parallel()
	b := newBroker(t, kfake.SeedTopics(1, "answers"))
	p := newProducer(t, b)
	r := newReplies()
	k := openTarget(t, b.ListenAddrs(), r)
	awaitReading(t, k, "answers") // a topic that is asked for is followed from then on
	addPartitions(t, b, "answers", 3)
	eventually(t, "the producer finds the partition", func() bool {
		p.ForceMetadataRefresh()
		return p.ProduceSync(t.Context(), answer("answers", 2, "me.new", "x")).FirstErr() == nil
	})
	eventually(t, "the answer in a new partition is read", func() bool { return len(r.of("me.new")) > 0 })
}

func TestATopicThatIsMadeAnewIsReadFromItsBeginning(t *testing.T) {
	t.Parallel()
	b := newBroker(t, kfake.SeedTopics(1, "answers"))
	r := newReplies()
	k := openTarget(t, b.ListenAddrs(), r)
	awaitReading(t, k, "answers")
	p := newProducer(t, b)
	produce(t, p, answer("answers", 0, "me.1", "x"), answer("answers", 0, "me.2", "x"))
	eventually(t, "answers are read", r.has("me.2"))
	if err := b.DeleteTopic("answers"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a topic that is gone is told", func() bool {
		p := problem.Of(k.Ready(t.Context(), "answers"))
		return p.Status == http.StatusServiceUnavailable && p.Code == problem.UpstreamUnavailable
	})
	if err := b.CreateTopic("answers", 2, nil); err != nil {
		t.Fatal(err)
	}
	p = newProducer(t, b)
	produce(t, p, answer("answers", 0, "me.3", "x"), answer("answers", 1, "me.4", "x"))
	eventually(t, "answers in the new topic are read", func() bool { return r.has("me.3")() && r.has("me.4")() })
	awaitReading(t, k, "answers")
	// Made anew between two looks and two fetches, it is the same by its name, and has a
	// record at the offset that would be next.
	holding, release := atomic.Bool{}, make(chan struct{})
	holding.Store(true)
	b.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		if holding.Load() {
			b.SleepControl(func() { <-release })
		}
		return nil, nil, false
	})
	if err := b.DeleteTopic("answers"); err != nil {
		t.Fatal(err)
	}
	if err := b.CreateTopic("answers", 2, nil); err != nil {
		t.Fatal(err)
	}
	p = newProducer(t, b)
	for i := range 5 {
		produce(t, p, answer("answers", 0, fmt.Sprint("me.again", i), "x"))
	}
	holding.Store(false)
	close(release)
	for i := range 5 {
		eventually(t, "answers in the newer topic are read, once more if need be", func() bool { return len(r.of(fmt.Sprint("me.again", i))) > 0 })
	}
}

func TestWithoutKafkaNoAnswerIsAwaited(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	dir := t.TempDir()
	r := newReplies()
	k := openTarget(t, []string{address}, r)
	k.Follow([]string{"answers"})
	unready := func() bool {
		began := time.Now()
		p := problem.Of(k.Ready(t.Context(), "answers"))
		if took := time.Since(began); took > 10*time.Second {
			t.Fatalf("it took %v", took)
		}
		return p.Status == http.StatusServiceUnavailable && p.Code == problem.UpstreamUnavailable
	}
	if !unready() {
		t.Fatal("answers are read without Kafka")
	}
	start := func(opts ...kfake.Opt) *kfake.Cluster {
		b, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.Ports(port), kfake.DataDir(dir)}, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := start(kfake.SeedTopics(2, "answers"))
	eventually(t, "answers are read when Kafka comes", func() bool { return k.Ready(t.Context(), "answers") == nil })
	produce(t, newProducer(t, b), answer("answers", 0, "me.1", "x"))
	eventually(t, "an answer is read", r.has("me.1"))
	for i := range 2 {
		b.Close()
		eventually(t, "Kafka that has gone is missed", unready)
		b = start()
		// It comes before the reader is back: nothing may be lost between.
		c := fmt.Sprint("me.gap", i)
		produce(t, newProducer(t, b), answer("answers", 1, c, "x"))
		eventually(t, "the answer of meanwhile is read", r.has(c))
		eventually(t, "answers are read as before", func() bool { return k.Ready(t.Context(), "answers") == nil })
	}
	b.Close()
}

func TestAnswersAreReadOnWhereTheLeaderIs(t *testing.T) {
	t.Parallel()
	b, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(1, "answers"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	p := newProducer(t, b)
	r := newReplies()
	k := openTarget(t, b.ListenAddrs(), r)
	awaitReading(t, k, "answers")
	for i := range 4 {
		if err := b.MoveTopicPartition("answers", 0, int32(i%2)); err != nil {
			t.Fatal(err)
		}
		c := fmt.Sprint("me.", i)
		produce(t, p, answer("answers", 0, c, "x"))
		eventually(t, "an answer at another leader is read", r.has(c))
	}
}

func TestAPositionThatIsGoneLosesNothingThatIsThere(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "answers"))
	p := newProducer(t, b)
	r := newReplies()
	k := openTarget(t, b.ListenAddrs(), r)
	awaitReading(t, k, "answers")
	for i := range 5 {
		produce(t, p, answer("answers", 0, fmt.Sprint("me.", i), "x"))
	}
	if err := b.DeleteRecords("answers", 0, 5); err != nil {
		t.Fatal(err)
	}
	produce(t, p, answer("answers", 0, "me.last", "x"))
	eventually(t, "what is there is read", r.has("me.last"))
}

func TestATopicIsReadOnForRequestsThatBeganWithItsRoute(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "answers"))
	r := newReplies()
	k := openTarget(t, b.ListenAddrs(), r)
	k.Follow([]string{"answers"})
	awaitReading(t, k, "answers")
	k.Follow(nil)
	produce(t, newProducer(t, b), answer("answers", 0, "me.1", "x"))
	eventually(t, "the answer is read", r.has("me.1"))
}

func TestManyReplyTopicsAreReadSideBySide(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(5, "a1", "a2", "a3", "a4"))
	p := newProducer(t, b)
	r := newReplies()
	k := openTarget(t, b.ListenAddrs(), r)
	k.Follow([]string{"a1", "a2", "missing", "a3"})
	var waiting sync.WaitGroup
	for _, topic := range []string{"a1", "a2", "a3", "a4"} {
		waiting.Go(func() {
			if err := reading(t, k, topic); err != nil {
				t.Error(err)
			}
		})
	}
	waiting.Wait()
	var records []*kgo.Record
	for i := range 2000 {
		records = append(records, answer(fmt.Sprint("a", 1+i%4), int32(i%5), fmt.Sprint([]string{"me.", "other."}[i%2], i), "x"))
	}
	produce(t, p, records...)
	eventually(t, "all are read once", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.answers) == 1000 && r.foreign == 1000
	})
}

func TestAReaderThatIsClosedIsNotReady(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "answers"))
	k := openTarget(t, b.ListenAddrs(), newReplies())
	awaitReading(t, k, "answers")
	if err := errors.Join(k.Close(), k.Close()); err != nil {
		t.Fatal(err)
	}
	if err := k.Ready(t.Context(), "answers"); problem.Of(err).Status != http.StatusServiceUnavailable {
		t.Error(err)
	}
	refused(t, k, toTopic("answers"), "x", http.StatusServiceUnavailable, problem.UpstreamUnavailable)
}

func TestAnAnswerOfATransactionCountsWhenItIsCommitted(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "answers"))
	r := newReplies()
	k := openTarget(t, b.ListenAddrs(), r)
	awaitReading(t, k, "answers")
	p := newProducer(t, b, kgo.TransactionalID("service"))
	for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		if err := p.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(t, p, answer("answers", 0, fmt.Sprint("me.", end), "x"))
		if err := p.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "what is committed is read", r.has(fmt.Sprint("me.", kgo.TryCommit)))
	if len(r.of(fmt.Sprint("me.", kgo.TryAbort))) > 0 {
		t.Error("an answer was taken that its service has taken back")
	}
}
