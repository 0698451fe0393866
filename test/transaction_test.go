package test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weft/test/client"
	"weft/test/stage"
)

// written is the value of a record: the n-th good one of a producer, or one of a
// transaction that is aborted.
type written struct {
	User     string `json:"user"`
	Producer string `json:"producer"`
	N        int    `json:"n"`
	Aborted  bool   `json:"aborted,omitempty"`
	Pad      string `json:"pad,omitempty"`
}

// writer is a producer that writes transactions to one partition.
type writer struct {
	t         *testing.T
	client    *kgo.Client
	name      string
	topic     string
	partition int32
	good      int // events that were or will be committed
}

func newWriter(t *testing.T, k *stage.Kafka, topic, name string, partition int32) *writer {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Address), kgo.TransactionalID(topic+name), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionTimeout(2*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &writer{t: t, client: cl, name: name, topic: topic, partition: partition}
}

// write begins a transaction and writes n records, which are on the broker's disk
// when it returns. It may be called in any goroutine.
func (w *writer) write(n, pad int, aborted bool) error {
	if err := w.client.BeginTransaction(); err != nil {
		return err
	}
	var mu sync.Mutex
	var failed error
	for range n {
		v := written{User: "ann", Producer: w.name, N: w.good, Aborted: aborted, Pad: strings.Repeat("x", pad)}
		if !aborted {
			w.good++
		}
		value, err := json.Marshal(v)
		if err != nil {
			return err
		}
		w.client.Produce(context.Background(), &kgo.Record{Topic: w.topic, Partition: w.partition, Value: value}, func(_ *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
			}
		})
	}
	if err := w.client.Flush(context.Background()); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	return failed
}

func (w *writer) end(how kgo.TransactionEndTry) error {
	return w.client.EndTransaction(context.Background(), how)
}

// Transactions of several producers lie within each other in a partition; some
// are aborted, one of them is larger than many fetches, one stays open for long,
// and the node is killed meanwhile. Nothing of an aborted one reaches anybody,
// everything else does once and in order, and in the end nothing is left over.
func TestOnlyWhatIsCommittedIsDelivered(t *testing.T) {
	t.Parallel()
	k := broker(t)
	name := topic(t, k, 2)
	node := stage.StartNode(t, stage.Settings(t.TempDir()).With("events.max_per_subject", 10_000).
		Kafka(k.Address, stage.Source{"topic": name, "to": []string{"user.{/user}"}}))
	ann := record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil)})

	writers := make([]*writer, 4)
	var all sync.WaitGroup
	for i := range writers {
		w := newWriter(t, k, name, fmt.Sprintf("w%d", i), int32(i%2))
		writers[i] = w
		all.Go(func() {
			for round := range 20 {
				aborted := (round+i)%3 == 0
				n, pad, how := 1+round%7, 10, kgo.TryCommit
				if aborted {
					how = kgo.TryAbort
					if round > 15 {
						n, pad = 150, 8<<10
					}
				}
				if err := w.write(n, pad, aborted); err != nil {
					t.Errorf("%s writes: %v", w.name, err)
				}
				if err := w.end(how); err != nil {
					t.Errorf("%s ends: %v", w.name, err)
				}
			}
		})
	}
	all.Wait()
	total := 0
	for _, w := range writers {
		total += w.good
	}
	lag := func() float64 { return metric(t, node, `weft_kafka_lag_records\{[^}]*"`+name+`"[^}]*\}`) }
	settled := func() {
		t.Helper()
		eventually(t, time.Minute, "all is committed up to the end of the log, and nothing is lag", func() bool {
			ends, err := stage.EndOffsets(soon(t), k.Address, name, 2)
			if err != nil {
				t.Fatal(err)
			}
			have, err := stage.CommittedOffsets(soon(t), k.Address, stage.Group(name), name, 2)
			if err != nil {
				t.Fatal(err)
			}
			return have[0] == ends[0] && have[1] == ends[1] && lag() == 0
		})
	}
	if _, err := ann.AwaitEvents(within(t, time.Minute), total); err != nil {
		t.Fatalf("%d of %d events: %v", len(ann.Events()), total, err)
	}
	settled()

	// One is open in partition 0, and what follows it waits; the other one goes on.
	long, plain := newWriter(t, k, name, "long", 0), written{User: "ann", Producer: "plain"}
	if err := long.write(3, 0, false); err != nil {
		t.Fatal(err)
	}
	value, err := json.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Address), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(soon(t), &kgo.Record{Topic: name, Partition: 0, Value: value}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	beside := writers[1]
	if err := beside.write(1, 0, false); err != nil {
		t.Fatal(err)
	}
	if err := beside.end(kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	total++
	if events, err := ann.AwaitEvents(soon(t), total); err != nil || len(events) != total {
		t.Fatalf("%d of %d events while a transaction is open: %v", len(events), total, err)
	}
	eventually(t, time.Minute, "what waits behind the open transaction is lag", func() bool { return lag() == 4 })

	last := ann.LastID()
	ann.Close()
	node.Kill()
	node.Restart()
	again := record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil), LastID: last})
	eventually(t, time.Minute, "it waits after a restart, too", func() bool { return lag() == 4 })
	if err := long.end(kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	total += 4
	if _, err := again.AwaitEvents(within(t, time.Minute), 4); err != nil {
		t.Fatalf("%d events after the end of the long transaction, want 4: %v", len(again.Events()), err)
	}
	settled()

	next := map[string]int{}
	events := append(ann.Events(), again.Events()...)
	for _, e := range events {
		var v written
		if err := json.Unmarshal([]byte(e.Data), &v); err != nil {
			t.Fatal(err)
		}
		if v.Aborted {
			t.Errorf("an event of an aborted transaction: %s", v.Producer)
		} else if v.N != next[v.Producer] {
			t.Errorf("event %d of %s, want %d", v.N, v.Producer, next[v.Producer])
		}
		next[v.Producer] = v.N + 1
	}
	if len(events) != total {
		t.Errorf("%d events, want %d", len(events), total)
	}
}
